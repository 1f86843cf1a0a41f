"""One pin of the machine, as a part sees it: a wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

PORTS = "BCD"
_NAME = re.compile(r"P([BCD])([0-7])")

Watcher = Callable[[bool, int], None]


def parse_pin(name: str) -> tuple[int, int]:
    """Port number and bit of a name such as `PB2`.

    Raises:
        ValueError: the ATmega328P has no pin of that name.
    """
    match = _NAME.fullmatch(name)
    if match is None or name == "PC7":
        raise ValueError(f"no pin {name!r}; the ATmega328P has PB0…PB7, PC0…PC6, PD0…PD7")
    return PORTS.index(match[1]), int(match[2])


class Pin:
    """A wire on a pin: read its level, drive it from outside, watch what the program does to it."""

    def __init__(self, name: str, lib: Any, machine: Any) -> None:
        self.name = name
        self.port, self.bit = parse_pin(name)
        self._mask = 1 << self.bit
        self._lib = lib
        self._machine = machine
        self.watchers: list[Watcher] = []

    @property
    def level(self) -> bool:
        """Level on the wire: the program's output, else what drives it from outside, else the pull-up, else low."""
        return bool(self._machine.pin_level[self.port] & self._mask)

    @property
    def is_output(self) -> bool:
        """True while the program drives the pin."""
        return bool(self._machine.pin_ddr[self.port] & self._mask)

    def drive(self, level: bool | None) -> None:  # noqa: FBT001 - a logic level
        """Drive the wire from outside, low or high, or let it go (None). Watchers are not called for it."""
        self._lib.avr_drive(self._machine, self.port, self.bit, 2 if level is None else int(level))

    def watch(self, function: Watcher) -> None:
        """Call `function(level, cycles)` whenever the program changes the level on the wire."""
        self.watchers.append(function)
        self._machine.pin_watch[self.port] |= self._mask
