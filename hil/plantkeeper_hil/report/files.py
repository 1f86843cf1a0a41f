"""The files that a run leaves in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from plantkeeper_hil.report.model import RunReport, summary

SUMMARY, PAGE, JUNIT = "report.json", "report.html", "junit.xml"


def remove_stale(folder: Path, *names: str) -> None:
    """Remove an earlier run's reports, so that whatever happens next, nobody takes its verdict for this run's."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def write_summary(report: RunReport, folder: Path) -> None:
    """Write `report.json`."""
    (folder / SUMMARY).write_text(json.dumps(summary(report), indent=2) + "\n")


def write_page(report: RunReport, folder: Path) -> None:
    """Write `report.html`."""
    from plantkeeper_hil.report import html  # noqa: PLC0415 - plotly takes 50 MB, and most runs of tests make no page

    (folder / PAGE).write_text(html.render(report), encoding="utf-8")
