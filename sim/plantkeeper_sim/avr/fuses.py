"""Fuses and lock bits of the ATmega328P (27.5, 28.1, 28.2), as a programmer sets them; 0 is programmed."""

from __future__ import annotations

from dataclasses import dataclass

MODELLED_HIGH = 0xDF  # all but BOOTSZ and BOOTRST: reset pin, watchdog and EESAVE as on the Uno, no debugWIRE


@dataclass(frozen=True)
class Fuses:
    """The three fuse bytes and the lock byte.

    Args:
        high: BOOTSZ in bits 2:1 (3 is 256 words, each step down doubles), BOOTRST in bit 0.
        lock: boot lock bits BLB12, BLB11, BLB02, BLB01 in bits 5:2; LB2, LB1.
        low, extended: clock source and brown-out level; storage, for the model has one of each.

    Raises:
        ValueError: a fuse is programmed that the emulator does not model.
    """

    low: int = 0xFF
    high: int = 0xDF
    extended: int = 0xFD
    lock: int = 0xFF

    def __post_init__(self) -> None:
        for name in ("low", "high", "extended", "lock"):
            if not 0 <= getattr(self, name) <= 0xFF:
                raise ValueError(f"fuse byte {name} = {getattr(self, name)}: expected 0…255")
        if self.low != 0xFF or self.high | 0x07 != MODELLED_HIGH:
            raise ValueError(
                f"fuses low 0x{self.low:02X}, high 0x{self.high:02X}: only low 0xFF and high 0xD8…0xDF are modelled "
                "(crystal, SPI programming, no RSTDISBL, DWEN, WDTON; BOOTSZ and BOOTRST as you like)"
            )

    @property
    def boot_start(self) -> int:
        """Byte address at which the boot section begins (table 27-13)."""
        return 0x8000 - (0x1000 >> (self.high >> 1 & 3))


BARE = Fuses()
"""A chip without a bootloader: it starts at address 0."""

UNO = Fuses(high=0xDE, lock=0xCF)
"""An Arduino Uno: starts in a boot section of 512 bytes that lock bits protect (boards.txt of the Arduino core)."""
