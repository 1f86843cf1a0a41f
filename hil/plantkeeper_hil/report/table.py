"""The short table that a run ends with."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from plantkeeper_hil.conservation import Kind
from plantkeeper_hil.report.model import RunReport, conclusion

FINDINGS_SHOWN = 20


def render(report: RunReport) -> Group:
    """Counts, times and latency as a table, then the findings by name (the first of them)."""
    verdict = report.verdict
    expected = verdict.taken - len(verdict.dropped)
    table = Table(title=f"{report.boards} board(s), seed {report.seed}", title_justify="left")
    table.add_column("readings")
    table.add_column("count", justify="right")
    for name, count, good in (
        ("taken", verdict.taken, True),
        ("stored", verdict.stored, verdict.stored == expected),
        ("delivered", verdict.delivered, verdict.delivered == expected),
        ("dropped by the board, named", len(verdict.dropped), True),
        *((kind.value, verdict.count(kind), verdict.count(kind) == 0) for kind in Kind),
    ):
        table.add_row(name, Text(str(count), style="" if good else "bold red"))
    if report.readings_skipped:
        table.add_row("skipped by the board (sensor failed)", str(report.readings_skipped))
    table.add_section()
    table.add_row("virtual time", f"{report.virtual_s / 3600:.2f} h")
    table.add_row("wall time", f"{report.wall_s:.2f} s")
    if report.latency is not None:
        table.add_row("latency board → backend, p50", f"{report.latency.p50_ms:.1f} ms")
        table.add_row("latency board → backend, p99", f"{report.latency.p99_ms:.1f} ms")
    table.add_section()
    table.add_row("firmware flash", f"{report.firmware.flash_bytes} bytes")
    table.add_row("firmware RAM (static)", f"{report.firmware.ram_bytes} bytes")
    findings = [Text(str(finding), style="red") for finding in verdict.findings[:FINDINGS_SHOWN]]
    hidden = len(verdict.findings) - FINDINGS_SHOWN
    if hidden > 0:
        findings.append(Text(f"… and {hidden} more in report.json", style="red"))
    return Group(table, *findings, Text(conclusion(verdict), style="green" if verdict.conserved else "bold red"))


def print_table(report: RunReport, console: Console) -> None:
    """Print the table to a console."""
    console.print(render(report))
