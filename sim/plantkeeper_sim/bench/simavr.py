"""simavr as the benchmark runs it: its library, called as its own command calls it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from plantkeeper_sim.bench.peer import AbsentError, Run, output_of, parse_run
from plantkeeper_sim.bench.program import Program

SOURCE = Path(__file__).with_name("simavr_runner.c")


class Simavr:
    """libsimavr behind `simavr_runner.c`.

    Raises:
        AbsentError: the runner does not compile.
    """

    name = "simavr"

    def __init__(self, program: Program, folder: Path) -> None:
        runner = folder / "simavr_runner"
        command = ["cc", "-O2", str(SOURCE), "-lsimavr", "-o", str(runner)]
        try:
            built = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise AbsentError("no C compiler") from error
        if built.returncode != 0:
            first = next((line for line in built.stderr.splitlines() if "error" in line), built.stderr[:200])
            raise AbsentError(f"its library is missing (Debian: libsimavr-dev, libelf-dev): {first}")
        self._command = [str(runner), str(program.elf), str(program.checksum_address)]

    def version(self) -> str:
        """The library's version, as pkg-config knows it."""
        try:
            asked = subprocess.run(
                ["pkg-config", "--modversion", "simavr"], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return "libsimavr"
        return f"libsimavr {asked.stdout.strip()}".strip()

    def run(self) -> Run:
        """Run until simavr finds the CPU asleep with interrupts off."""
        return parse_run(output_of(self._command))
