"""What the benchmark asks of an emulator, and what it gets."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plantkeeper_sim.errors import SimError

TIMEOUT_S = 300.0


class AbsentError(SimError):
    """An emulator, or what it needs, is not on this machine; the message says what."""


class RunError(SimError):
    """An emulator is there and did not run the program to its end."""


@dataclass(frozen=True)
class Run:
    """One run of the program.

    Args:
        cycles: that the emulator counted; None where it counts none.
        cpu_s: seconds of CPU time that it took, starting up apart.
        checksum: eight hexadecimal digits that the program made.
    """

    cycles: int | None
    cpu_s: float
    checksum: str


class Peer(Protocol):
    """An emulator that is ready to run the program."""

    name: str

    def version(self) -> str:
        """What it is, for the record."""

    def run(self) -> Run:
        """Run the program once, from reset to its end.

        Raises:
            RunError: it did not get there.
        """


def output_of(command: Sequence[str]) -> str:
    """What a program says on its standard output.

    Raises:
        RunError: it fails, or takes too long.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise RunError(f"{command[0]} ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def parse_run(said: str) -> Run:
    """The line `ran CYCLES SECONDS CHECKSUM` in what a runner says.

    Raises:
        RunError: there is none.
    """
    for line in said.splitlines():
        match line.split():
            case ["ran", cycles, cpu_s, checksum]:
                return Run(int(cycles), float(cpu_s), checksum)
    raise RunError(f"the runner did not say how it went, but: {said[-200:]!r}")
