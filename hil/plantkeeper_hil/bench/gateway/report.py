"""The figures as a table for people and as JSON for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plantkeeper_hil.bench.gateway.figures import Row

COLUMNS = (
    ("accepted/s", "accepted_per_s", "{:,.0f}"),
    ("× nginx", "ratio_to_nginx", "{:.2f}"),
    ("delivered/s", "delivered_per_s", "{:,.0f}"),
    ("× nginx", "delivered_ratio_to_nginx", "{:.2f}"),
    ("p50 ms", "p50_ms", "{:.1f}"),
    ("p99 ms", "p99_ms", "{:.1f}"),
    ("CPU s/10k", "cpu_s_per_10k", "{:.2f}"),
    ("PSS MiB", "pss_mb", "{:.0f}"),
    ("load's core", "generator_share", "{:.0%}"),
)

WIDTH = 130  # narrower, and the columns lose their headings


def table(title: str, rows: Sequence[Row]) -> Table:
    """The rows of a scenario."""
    shown = Table(title=title, title_justify="left", caption=_warning(rows), caption_justify="left")
    for heading in ("server", "mode", "wire", "boards"):
        shown.add_column(heading, justify="right" if heading == "boards" else "left")
    for heading, _, _ in COLUMNS:
        shown.add_column(heading, justify="right")
    for row in rows:
        figures = [_format(form, getattr(row, name)) for _, name, form in COLUMNS]
        shown.add_row(row.name, row.mode, row.wire, str(row.boards) if row.boards else "open", *figures)
    return shown


def show(rows: Iterable[Row], console: Console) -> None:
    """All tables, one a scenario."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.scenario, []).append(row)
    for scenario, group in groups.items():
        console.print(table(scenario, group))


def write(path: Path, content: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def _format(form: str, value: float | None) -> str:
    return "–" if value is None else form.format(value)


def _warning(rows: Sequence[Row]) -> str | None:
    bound = [f"{row.name} {row.mode}" for row in rows if row.extra.get("generator_bound")]
    if not bound:
        return None
    return f"the load generator was the bottleneck for {', '.join(bound)}: the servers can do more than this says"
