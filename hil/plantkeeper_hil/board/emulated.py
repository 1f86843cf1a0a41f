"""The emulated board in lockstep: it runs only while somebody waits for it, in virtual time."""

from __future__ import annotations

from plantkeeper_hil.board.base import Capability, ConsoleBoard, Reset
from plantkeeper_hil.board.errors import BoardGoneError
from plantkeeper_hil.board.lines import LineSplitter, wall_now
from plantkeeper_sim.avr import StopReason
from plantkeeper_sim.board import UnoBoard

POWER_ON_RESET, EXTERNAL_RESET = 1, 2  # bits of MCUSR (DS40002061B section 11.9.1)


class EmulatedBoard(ConsoleBoard):
    """A `Board` over `plantkeeper_sim.board.UnoBoard`, which stays reachable as `uno` for faults and wires."""

    def __init__(self, uno: UnoBoard) -> None:
        super().__init__(f"sim-{uno.config.device_id}")
        self.uno = uno
        self._splitter = LineSplitter()
        self._closed = False
        uno.mcu.uart.watch_lines(self._on_line)

    def __str__(self) -> str:
        return f"board {self.name} (seed {self.uno.seed})"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything."""
        return frozenset(Capability)

    def close(self) -> None:
        """Let go of its sockets."""
        self._closed = True
        self.uno.close()

    def _now_s(self) -> float:
        return self.uno.mcu.time_s

    def _write(self, data: bytes) -> None:
        self._check_open()
        self.uno.mcu.uart.feed(data)

    def _wait_for_lines(self, known: int, deadline_s: float) -> None:
        self._check_open()
        mcu = self.uno.mcu
        until_cycles = round(deadline_s * mcu.clock_hz)
        while len(self._lines) <= known and mcu.cycles < until_cycles:
            if mcu.run(until_cycles=until_cycles) is not StopReason.STOPPED:
                return

    def _start_anew(self, how: Reset) -> None:
        self._check_open()
        if how is Reset.WATCHDOG:
            self._write(b"*RST\n")
        else:
            self.uno.mcu.reset(POWER_ON_RESET if how is Reset.POWER else EXTERNAL_RESET)

    def _on_line(self, line: bytes, cycles: int) -> None:
        time_s = cycles / self.uno.mcu.clock_hz
        if not line:
            return
        self._lines += self._splitter.feed(line + b"\n", time_s=time_s, wall=wall_now())
        self.uno.mcu.stop()

    def _check_open(self) -> None:
        if self._closed:
            raise BoardGoneError(f"{self} was closed; open another one")
