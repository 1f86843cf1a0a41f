"""Our own emulator as the benchmark runs it."""

from __future__ import annotations

import time
from importlib.metadata import version

from plantkeeper_sim.avr import Mcu, StopReason
from plantkeeper_sim.bench.peer import Run, RunError
from plantkeeper_sim.bench.program import Program


class Ours:
    """`plantkeeper_sim.avr.Mcu`, a fresh machine each time."""

    name = "ours"

    def __init__(self, program: Program) -> None:
        self._program = program

    def version(self) -> str:
        """The distribution's version."""
        return f"plantkeeper-sim {version('plantkeeper-sim')}"

    def run(self) -> Run:
        """Run until the program sleeps for ever."""
        machine = Mcu(self._program.firmware)
        started_s = time.process_time()
        reason = machine.run()
        cpu_s = time.process_time() - started_s
        if reason is not StopReason.HALTED or machine.pc != self._program.end:
            raise RunError(f"stopped at PC 0x{machine.pc:04X} ({reason.value}), not at the program's end")
        checksum = int.from_bytes(machine.read_data(self._program.checksum_address, 4), "little")
        return Run(machine.cycles, cpu_s, f"{checksum:08x}")
