"""A two-wire bus with several chips on it."""

from __future__ import annotations

from typing import Protocol


class I2cChip(Protocol):
    """A slave, after its address was matched."""

    def begin(self, read: bool) -> bool:  # noqa: FBT001 - the R/W bit of the wire
        """Addressed; True acknowledges."""

    def write(self, byte: int) -> bool:
        """A byte from the master; True acknowledges."""

    def read(self, ack: bool) -> int:  # noqa: FBT001 - the acknowledge bit of the wire
        """A byte for the master."""

    def stop(self) -> None:
        """End of the transfer."""


class I2cBus:
    """Chips by their 7-bit address; fits `Mcu.twi.attach`."""

    def __init__(self, chips: dict[int, I2cChip]) -> None:
        self._chips = chips
        self._selected: I2cChip | None = None

    def start(self, address: int, read: bool) -> bool:  # noqa: FBT001
        """Select the chip with this address."""
        self._selected = self._chips.get(address)
        return self._selected is not None and self._selected.begin(read)

    def write(self, byte: int) -> bool:
        """Pass a byte on."""
        return self._selected is not None and self._selected.write(byte)

    def read(self, ack: bool) -> int:  # noqa: FBT001
        """Fetch a byte; a released bus reads 0xFF."""
        return 0xFF if self._selected is None else self._selected.read(ack)

    def stop(self) -> None:
        """End the transfer."""
        if self._selected is not None:
            self._selected.stop()
        self._selected = None
