"""What a part sees of the machine: a clock and wires. `plantkeeper_sim.avr.Mcu` fits; so does a fake in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Take it back."""


class Clock(Protocol):
    """Virtual time."""

    @property
    def cycles(self) -> int:
        """Now."""

    @property
    def clock_hz(self) -> int:
        """Cycles in a virtual second."""

    def call_at(self, cycles: int, function: Callable[[], None]) -> Cancellable:
        """Call `function()` at that cycle."""

    def call_in(self, seconds: float, function: Callable[[], None]) -> Cancellable:
        """Call `function()` after so many virtual seconds."""


class Wire(Protocol):
    """One pin's wire."""

    @property
    def level(self) -> bool:
        """Level on the wire."""

    def drive(self, level: bool | None) -> None:  # noqa: FBT001 - a logic level
        """Drive it, or let go with None."""

    def watch(self, function: Callable[[bool, int], None]) -> None:
        """Call `function(level, cycles)` when the program changes the level."""


class PulledUp:
    """A wire with a pull-up resistor on the board: let go, it is high.

    The resistor is a weak driver: the program's output wins over what drives a pin from outside, so driving
    the wire high stands for it.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        wire.drive(level=True)

    @property
    def level(self) -> bool:
        """Level on the wire."""
        return self._wire.level

    def drive(self, level: bool | None) -> None:  # noqa: FBT001 - a logic level
        """Drive it low or high; None leaves it to the resistor."""
        self._wire.drive(level is not False)

    def watch(self, function: Callable[[bool, int], None]) -> None:
        """Call `function(level, cycles)` when the program changes the level."""
        self._wire.watch(function)
