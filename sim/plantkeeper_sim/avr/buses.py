"""What can be attached to the machine's buses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SpiTransfer = Callable[[int], int]
"""Exchanges one byte: MOSI in, MISO out."""

AnalogSource = Callable[[], float]
"""Volts on an ADC channel at the sample-and-hold instant."""


class TwiBus(Protocol):
    """The slaves on the two-wire bus, as the master sees them."""

    def start(self, address: int, read: bool) -> bool:  # noqa: FBT001 - the R/W bit follows the address on the wire
        """A (repeated) START and a 7-bit address; True acknowledges."""

    def write(self, byte: int) -> bool:
        """A byte from the master; True acknowledges."""

    def read(self, ack: bool) -> int:  # noqa: FBT001 - the acknowledge bit of the wire
        """A byte for the master, which acknowledges it or not."""

    def stop(self) -> None:
        """A STOP."""
