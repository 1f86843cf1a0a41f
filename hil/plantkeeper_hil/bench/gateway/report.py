"""The figures as a table for people and as JSON for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.targets import Target

COLUMNS = (
    ("acc./s", "accepted_per_s", "{:,.0f}"),
    ("× nginx", "ratio_to_nginx", "{:.2f}"),
    ("deliv./s", "delivered_per_s", "{:,.0f}"),
    ("× nginx", "delivered_ratio_to_nginx", "{:.2f}"),
    ("p50 ms", "p50_ms", "{:.1f}"),
    ("p99 ms", "p99_ms", "{:.1f}"),
    ("CPU s/10k", "cpu_s_per_10k", "{:.2f}"),
    ("MiB", "pss_mb", "{:.0f}"),
    ("load", "generator_share", "{:.0%}"),
)

LAG_SHOWN_MS = 1.0
FOREIGN_SHOWN = 0.2
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


def show(rows: Iterable[Row], judged: Sequence[Target], console: Console) -> None:
    """All tables, one a scenario, and what was asked for."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.scenario, []).append(row)
    for scenario, group in groups.items():
        console.print(table(scenario, group))
    if judged:
        console.print(target_table(judged))


def target_table(judged: Sequence[Target]) -> Table:
    """Floors and goals."""
    shown = Table(title="floors and goals", title_justify="left")
    for heading in ("figure", "value", "floor", "", "goal", ""):
        shown.add_column(heading, justify="left" if heading == "figure" else "right")
    for target in judged:
        sign = "≤" if target.at_most else "≥"
        cells = [target.what, _format("{:.2f}", target.value)]
        for bound, met in ((target.floor, target.floor_met), (target.goal, target.goal_met)):
            cells.append("–" if bound is None else f"{sign} {bound:.2f}")
            cells.append("" if met is None else "met" if met else "not met")
        shown.add_row(*cells)
    return shown


def write(path: Path, content: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def _format(form: str, value: float | None) -> str:
    return "–" if value is None else form.format(value)


def _warning(rows: Sequence[Row]) -> str | None:
    """What makes the figures of a table less than they could be."""
    said: list[str] = []
    bound = [f"{row.name} {row.mode}" for row in rows if row.extra.get("generator_bound")]
    if bound:
        said.append(f"the load generator could do no more for {', '.join(bound)}: these servers may be quicker")
    late = [row.extra["generator_lag_p99_ms"] for row in rows if row.extra.get("generator_lag_p99_ms")]
    if late and max(late) > LAG_SHOWN_MS:
        said.append(f"the load generator was up to {max(late):.1f} ms late (p99), which counts as latency")
    foreign = max((row.extra.get("foreign_cores") or 0.0 for row in rows), default=0.0)
    if foreign > FOREIGN_SHOWN:
        said.append(f"other work took {foreign:.1f} cores of this machine meanwhile")
    return "\n".join(said) or None
