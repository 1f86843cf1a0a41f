"""One board in real time: the machine, its port, and what a person can do to both."""

from __future__ import annotations

import select
from collections.abc import Callable
from random import Random
from time import monotonic

from plantkeeper_sim.avr.mcu import EXTERNAL_RESET, POWER_ON_RESET
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.errors import SimError
from plantkeeper_sim.paced.line import FRAME_BITS, back_to_back, received
from plantkeeper_sim.paced.pacer import Pacer
from plantkeeper_sim.paced.port import Change, PtyPort

TICK_S = 0.002
TOUCH_BAUD = 1200
REENUMERATION_S = 0.3
BABBLE_BYTES = 16  # a tick


class PacedBoard:
    """A board that runs at the speed of the wall clock, its console on a port.

    Args:
        board: what runs.
        port: where its serial line ends.
        native_usb: the port belongs to the MCU itself, as on a Leonardo or MKR: opening it resets nothing, closing it
            at 1200 baud does, and the port goes away and comes back under another name.
        random: for babbling.
        report: told what happens to the board, one line each.
        now_s: the wall clock, monotonic.
    """

    def __init__(
        self,
        board: UnoBoard,
        port: PtyPort,
        *,
        native_usb: bool,
        random: Random,
        report: Callable[[str], None],
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self.board, self.port = board, port
        self.babbling = False
        self.resets = 0
        self.crash: str | None = None
        self.on_closed: Callable[[], None] = lambda: None
        self._native_usb, self._random, self._report, self._now_s = native_usb, random, report, now_s
        self._plug_at_s: float | None = None
        self._pacer = self._fresh_pacer()

    def _fresh_pacer(self) -> Pacer:
        mcu = self.board.mcu
        return Pacer(mcu.clock_hz, now_s=self._now_s(), cycles=mcu.cycles)

    # ---- what is done to it -------------------------------------------------------------------------------------

    def reset(self, cause: int = EXTERNAL_RESET) -> None:
        """Press the reset button (or what `cause` says). A program that crashed starts again."""
        mcu = self.board.mcu
        mcu.uart.drop()
        mcu.reset(cause)
        mcu.uart.take()
        self.crash = None
        self.resets += 1
        self._pacer = self._fresh_pacer()

    def unplug(self) -> None:
        """Pull the cable: the port is gone, and the board has no power."""
        self._plug_at_s = None
        self.port.unplug()

    def plug(self) -> None:
        """Put the cable back: a new port under the same link, and a power-on reset."""
        if not self.port.plugged:
            self.port.plug()
            self.reset(POWER_ON_RESET)

    def flash(self, image: bytes) -> None:
        """Replace the flash's contents, as a programmer would, and reset."""
        self.board.mcu.flash = image
        self.reset()

    # ---- time ---------------------------------------------------------------------------------------------------

    def wait(self, *others: int) -> list[int]:
        """Until a host does something, one of `others` is readable, or the tick is over; which of `others` is."""
        ready, _, _ = select.select([*self.port.descriptors, *others], [], [], TICK_S)
        return [descriptor for descriptor in others if descriptor in ready]

    def tick(self) -> None:
        """Catch up with the wall clock."""
        if self._plug_at_s is not None and self._now_s() >= self._plug_at_s:
            self._plug_at_s = None
            self.port.plug()
        for change in self.port.changes():
            self._on_change(change)
        if not self.port.plugged and self._plug_at_s is None:
            return  # no power
        self._hear(self.port.read())
        self._run()
        self._say()

    def _on_change(self, change: Change) -> None:
        if change is Change.CLOSED:
            self.on_closed()
        if change is Change.DTR_ROSE and not self._native_usb:
            self._report("reset: the port was opened")
            self.reset()
        elif change is Change.CLOSED and self._native_usb and self.port.baud == TOUCH_BAUD:
            self._report("reset: 1200-baud touch")
            self.port.unplug()
            self._plug_at_s = self._now_s() + REENUMERATION_S
            self.reset()

    def _bit_s(self) -> tuple[float, float]:
        """Length of a bit at the host and at the board."""
        uart = self.board.mcu.uart
        board_s = uart.bit_cycles / self.board.mcu.clock_hz
        baud = self.port.baud
        return (1 / baud if baud else board_s), board_s

    def _hear(self, data: bytes) -> None:
        uart = self.board.mcu.uart
        if data and uart.receiving and self.crash is None:
            host_s, board_s = self._bit_s()
            uart.feed(*received(back_to_back(data, sent_bit=host_s), sent_bit=host_s, bit=board_s))

    def _run(self) -> None:
        mcu = self.board.mcu
        if self.crash is not None:
            return
        try:
            mcu.run(self._pacer.target(self._now_s(), mcu.cycles))
        except SimError as fault:  # also of a part that a program gone astray misused
            self.crash = str(fault)
            self._report(f"crashed, and stands still until it is reset: {fault}")

    def _say(self) -> None:
        mcu = self.board.mcu
        sent = mcu.uart.take()
        if self.babbling:
            self.port.write(self._random.randbytes(BABBLE_BYTES))
        elif sent:
            host_s, board_s = self._bit_s()
            frame = FRAME_BITS * mcu.uart.bit_cycles
            frames = [((end - frame) / mcu.clock_hz, byte) for end, byte in sent]
            heard, _ = received(frames, sent_bit=board_s, bit=host_s)
            self.port.write(heard)
