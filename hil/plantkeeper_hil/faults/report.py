"""The report of a run over all faults: figures per fault, their sums, the file and the table. Pure but for `write`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plantkeeper_hil.conservation import Kind
from plantkeeper_hil.faults.check import Verdict

# the load has no journal: it gives up nothing, and reports nothing
BREACHES = tuple(kind.value for kind in Kind if kind is not Kind.MISREPORTED)
SUMS = ("acknowledged", *BREACHES, "repeats", "parked", "unpromised", "overtaken", "late", "wall_s")
FINDINGS_KEPT, FINDINGS_SHOWN = 20, 3


@dataclass(frozen=True)
class FaultResult:
    """One fault's figures.

    Args:
        fault: its name.
        outcome: the test's: `passed`, `failed` …
        answers: what the boards were answered, by status or failure.
        notes: what the fault itself has to say, such as how often something was killed.
    """

    fault: str
    outcome: str
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    altered: int = 0
    foreign: int = 0
    repeats: int = 0
    parked: int = 0
    unpromised: int = 0
    overtaken: int = 0
    late: int = 0
    wall_s: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, fault: str, verdict: Verdict, *, wall_s: float, answers: Mapping[str, int], notes: Mapping[str, Any]
    ) -> FaultResult:
        """The figures of a verdict; the outcome is not known yet."""
        return cls(
            fault,
            "",
            acknowledged=verdict.acknowledged,
            **{name: verdict.count(Kind(name)) for name in BREACHES},
            repeats=verdict.repeats,
            parked=verdict.parked,
            unpromised=verdict.unpromised,
            overtaken=verdict.overtaken,
            late=verdict.late,
            wall_s=round(wall_s, 2),
            answers=dict(answers),
            notes=dict(notes),
            findings=[str(finding) for finding in verdict.findings[:FINDINGS_KEPT]],
        )


def summary(results: Sequence[FaultResult], *, seed: int, wanted: int) -> dict[str, Any]:
    """The report.

    Args:
        seed: of the run.
        wanted: acknowledged readings that the run was to reach.
    """
    sums = {name: sum(getattr(result, name) for result in results) for name in SUMS}
    kept = sums["acknowledged"] >= wanted and not any(sums[name] for name in BREACHES)
    passed = bool(results) and all(result.outcome == "passed" for result in results)
    return {
        "seed": seed,
        "passed": kept and passed,
        "wanted": wanted,
        **sums,
        "wall_s": round(sums["wall_s"], 2),
        "faults": {
            result.fault: {name: value for name, value in asdict(result).items() if name != "fault"}
            for result in results
        },
    }


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def table(report: Mapping[str, Any]) -> Table:
    """A row a fault, and the sums."""
    made = Table(title=f"faults, seed {report['seed']}", title_justify="left")
    made.add_column("fault")
    columns = ("acknowledged", *BREACHES, "repeats", "parked", "wall_s")
    for name in columns:
        made.add_column(name.replace("wall_s", "s"), justify="right")
    made.add_column("outcome")
    for fault, figures in report["faults"].items():
        made.add_row(fault, *(_cell(name, figures[name]) for name in columns), _outcome(figures["outcome"]))
    made.add_section()
    outcomes = {figures["outcome"] for figures in report["faults"].values()}
    broken = any(report[name] for name in BREACHES) or "failed" in outcomes
    total = "kept" if report["passed"] else "NOT KEPT" if broken else "incomplete"
    made.add_row("all", *(_cell(name, report[name]) for name in columns), _outcome(total))
    return made


def print_table(report: Mapping[str, Any]) -> None:
    """Print the table, and the first findings by name."""
    console = Console(width=150)
    console.print(table(report))
    for figures in report["faults"].values():
        for finding in figures["findings"][:FINDINGS_SHOWN]:
            console.print(Text(finding, style="red"))


def _cell(name: str, value: float) -> Text:
    text = f"{value:.1f}" if name == "wall_s" else str(value)
    return Text(text, style="bold red" if name in BREACHES and value else "")


def _outcome(word: str) -> Text:
    return Text(word, style="green" if word in {"passed", "kept"} else "bold red")
