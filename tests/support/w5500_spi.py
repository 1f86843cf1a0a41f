"""The host's side of a W5500's SPI bus, written from the data sheet and independent of the firmware's driver."""

from __future__ import annotations

from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.testing import LooseWire


class SpiHost:
    """Reads and writes the chip's blocks, and what every socket has in its registers.

    Args:
        chip: on the bus.
        select: its chip select, low while a frame goes on.
        registers: the block of the socket's registers.
    """

    def __init__(self, chip: W5500, select: LooseWire, registers: int) -> None:
        self.chip, self._select, self._registers = chip, select, registers
        select.program(True)

    def write(self, block: int, address: int, data: bytes) -> None:
        """Write bytes from an address of a block on."""
        self._frame(block, address, data, write=True)

    def read(self, block: int, address: int, length: int = 1) -> bytes:
        """Read bytes from an address of a block on."""
        return self._frame(block, address, bytes(length), write=False)

    def word(self, address: int) -> int:
        """A register of 16 bits of the socket's."""
        return int.from_bytes(self.read(self._registers, address, 2), "big")

    def command(self, value: int) -> None:
        """Write the socket's command register."""
        self.write(self._registers, 0x01, bytes([value]))

    @property
    def state(self) -> int:
        """Sn_SR."""
        return self.read(self._registers, 0x03)[0]

    @property
    def interrupts(self) -> int:
        """Sn_IR."""
        return self.read(self._registers, 0x02)[0]

    def _frame(self, block: int, address: int, data: bytes, *, write: bool) -> bytes:
        self._select.program(False)
        for byte in (address >> 8, address & 0xFF, block << 3 | write << 2):
            self.chip.transfer(byte)
        answer = bytes(self.chip.transfer(byte) for byte in data)
        self._select.program(True)
        return answer
