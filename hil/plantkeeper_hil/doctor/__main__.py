"""`hil doctor`; also `PYTHONPATH=hil python3 -m plantkeeper_hil.doctor`, where nothing is installed yet."""

from __future__ import annotations

import sys
from pathlib import Path

OLDEST = (3, 11)
if sys.version_info < OLDEST:
    sys.exit(
        "Python      MISSING  {}.{} runs this, {}.{} or later is needed\n            → start it with a later one: "
        "PYTHONPATH=hil python3.11 -m plantkeeper_hil.doctor".format(*sys.version_info[:2], *OLDEST)
    )

from plantkeeper_hil.doctor.checks import all_findings  # noqa: E402
from plantkeeper_hil.doctor.finding import State, render  # noqa: E402


def report(root: Path) -> int:
    """Print the table; status 1 where something that the simulator or the tests need is missing."""
    findings = all_findings(root)
    print(render(findings))
    return int(any(finding.state is State.MISSING for finding in findings))


if __name__ == "__main__":
    sys.exit(report(Path.cwd()))
