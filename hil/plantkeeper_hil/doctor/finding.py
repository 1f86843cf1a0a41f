"""One line of the doctor's table. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How a thing stands."""

    READY = "ready"
    MISSING = "MISSING"  # the simulator or the tests need it
    ABSENT = "absent"  # only some commands need it


@dataclass(frozen=True)
class Finding:
    """A thing that the project uses.

    Args:
        what: its name.
        detail: version or place where it is there, else what is wrong.
        remedy: the command that mends it; "" where nothing needs mending.
        needed_for: what goes without it.
    """

    what: str
    state: State
    detail: str
    remedy: str = ""
    needed_for: str = ""


def render(findings: Iterable[Finding]) -> str:
    """The table: what, state, detail; under it, for each thing that is not ready, the command that mends it."""
    findings = list(findings)
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.what:<{width}}  {finding.state.value:<7}  {finding.detail}")
        if finding.state is not State.READY:
            indent = " " * (width + 11)
            if finding.needed_for:
                lines.append(f"{indent}needed for {finding.needed_for}")
            if finding.remedy:
                lines.append(f"{indent}→ {finding.remedy}")
    missing = sum(finding.state is State.MISSING for finding in findings)
    lines += ["", f"{missing} missing" if missing else "everything that the simulator and the tests need is ready"]
    return "\n".join(lines)
