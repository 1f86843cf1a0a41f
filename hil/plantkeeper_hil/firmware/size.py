"""Flash and static RAM of an ELF, as avr-size and arm-none-eabi-size count them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

DATA_SPACE = 0x800000  # avr-gcc puts SRAM at this offset, EEPROM at 0x810000
EEPROM_SPACE = 0x810000
ARM_RAM = 0x20000000  # a Cortex-M's SRAM region (ARMv6-M architecture reference manual, B3.1)


@dataclass(frozen=True)
class Section:
    """A section that the running program occupies memory with."""

    address: int
    size: int
    in_file: bool


@dataclass(frozen=True)
class Size:
    """Bytes of flash, and of RAM without the stack."""

    flash_bytes: int
    ram_bytes: int


def size_of(sections: Iterable[Section]) -> Size:
    """Add up: code and initial values are in flash, everything at RAM's addresses is in RAM."""
    flash_bytes = ram_bytes = 0
    for section in sections:
        if EEPROM_SPACE <= section.address < ARM_RAM:
            continue
        if section.address >= DATA_SPACE:
            ram_bytes += section.size
        if section.in_file:
            flash_bytes += section.size
    return Size(flash_bytes, ram_bytes)


def sections_of(elf: Path) -> list[Section]:
    """The sections of an ELF that are loaded or take memory."""
    with elf.open("rb") as file:
        return [
            Section(section["sh_addr"], section["sh_size"], section["sh_type"] == "SHT_PROGBITS")
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        ]
