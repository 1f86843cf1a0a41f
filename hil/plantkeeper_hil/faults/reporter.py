"""pytest: collects what each fault's test found, wherever it ran (xdist's workers too), and reports at the end."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.faults.report import FaultResult, print_table, summary, write

PROPERTY = "fault_result"
REPORT = Path("build/faults/report.json")  # unless told otherwise


class Reporter:
    """Writes the report and prints the table, where any fault's test ran.

    Args:
        seed: of the run.
        wanted: acknowledged readings that the run was to reach.
        path: of the report.
    """

    def __init__(self, *, seed: int, wanted: int, path: Path) -> None:
        self._seed, self._wanted, self._path = seed, wanted, path
        self._results: dict[str, FaultResult] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the figures of a fault's test."""
        found: dict[str, Any] | None = dict(report.user_properties).get(PROPERTY)  # type: ignore[assignment] # ours
        if found is None:
            return
        before = self._results.get(report.nodeid)
        failed = report.failed or (before is not None and before.outcome == "failed")
        if report.when == "call" or failed or report.skipped:
            self._results[report.nodeid] = replace(FaultResult(**found), outcome="failed" if failed else report.outcome)

    def pytest_terminal_summary(self) -> None:
        """Write and print the report."""
        if not self._results:
            return
        results = sorted(self._results.values(), key=lambda result: result.fault)
        report = summary(results, seed=self._seed, wanted=self._wanted)
        write(report, self._path)
        print_table(report)


def note(item_properties: list[tuple[str, object]], result: FaultResult) -> None:
    """Hand figures over to the reporter: they travel with the test's own report. The last ones count."""
    item_properties.append((PROPERTY, asdict(result)))
