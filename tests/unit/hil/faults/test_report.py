"""The report adds up, and says `passed` only where all was reached, nothing breached and every test passed."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from plantkeeper_hil.faults.check import Verdict
from plantkeeper_hil.faults.report import FaultResult, summary, table, write

GOOD = FaultResult("a", "passed", acknowledged=60, repeats=2, wall_s=1.5)
OTHER = FaultResult("b", "passed", acknowledged=40, parked=3, wall_s=2.0)


def test_figures_are_summed_and_kept_by_fault(tmp_path: Path) -> None:
    report = summary([GOOD, OTHER], seed=7, wanted=100)
    assert (report["seed"], report["passed"], report["acknowledged"], report["repeats"]) == (7, True, 100, 2)
    assert [report[name] for name in ("lost", "duplicated", "reordered", "altered", "foreign")] == [0] * 5
    assert report["wall_s"] == 3.5
    assert report["faults"]["b"]["parked"] == 3
    write(report, tmp_path / "new" / "report.json")
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == report


@pytest.mark.parametrize("breach", ["lost", "duplicated", "reordered", "altered", "foreign"])
def test_one_breach_is_enough(breach: str) -> None:
    broken = replace(GOOD, **{breach: 1})  # type: ignore[arg-type] # all are numbers
    report = summary([broken, OTHER], seed=1, wanted=100)
    assert (report["passed"], report[breach], report["faults"]["a"][breach]) == (False, 1, 1)


def test_a_failed_test_or_too_few_readings_or_none_at_all_are_no_pass() -> None:
    assert not summary([replace(GOOD, outcome="failed"), OTHER], seed=1, wanted=100)["passed"]
    assert not summary([replace(GOOD, outcome="skipped"), OTHER], seed=1, wanted=100)["passed"]
    assert not summary([GOOD], seed=1, wanted=100)["passed"]
    assert not summary([], seed=1, wanted=0)["passed"]


def test_a_verdict_becomes_figures() -> None:
    verdict = Verdict(9, 8, 1, 1, 2, 1, late=3)
    made = FaultResult.of("x", verdict, wall_s=1.234, answers={"200": 9}, notes={"kills": 2})
    assert (made.acknowledged, made.repeats, made.parked, made.unpromised) == (9, 1, 1, 2)
    assert (made.overtaken, made.late) == (1, 3)
    assert summary([made], seed=1, wanted=1)["late"] == 3
    assert (made.wall_s, made.answers, made.notes, made.findings) == (1.23, {"200": 9}, {"kills": 2}, [])


def rendered(results: list[FaultResult]) -> str:
    console = Console(width=150, record=True, file=StringIO())
    console.print(table(summary(results, seed=7, wanted=100)))
    return console.export_text()


def test_the_table_shows_each_fault_and_the_verdict() -> None:
    text = rendered([GOOD, replace(OTHER, lost=4)])
    assert "seed 7" in text
    assert "NOT KEPT" in text
    assert "incomplete" in rendered([replace(GOOD, outcome="skipped"), OTHER])
    assert "NOT KEPT" in rendered([replace(GOOD, outcome="failed"), OTHER])
    assert "NOT KEPT" not in rendered([GOOD, OTHER])
    [line] = [line for line in text.splitlines() if line.startswith("│ b ")]
    assert [cell.strip() for cell in line.split("│")[1:4]] == ["b", "40", "4"]
