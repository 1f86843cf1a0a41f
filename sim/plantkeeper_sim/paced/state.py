"""What a board keeps without power: flash and EEPROM, as two plain images in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plantkeeper_sim.avr.elf import EEPROM_BYTES, FLASH_BYTES
from plantkeeper_sim.errors import FirmwareError


@dataclass(frozen=True)
class Kept:
    """The two images.

    Args:
        flash: 32 768 bytes.
        eeprom: 1024 bytes.
    """

    flash: bytes
    eeprom: bytes


def load(folder: Path) -> Kept | None:
    """What a board left there; None where none did.

    Raises:
        FirmwareError: an image has not the size of its memory.
    """
    flash, eeprom = folder / "flash.bin", folder / "eeprom.bin"
    if not (flash.exists() and eeprom.exists()):
        return None
    return Kept(_sized(flash, FLASH_BYTES), _sized(eeprom, EEPROM_BYTES))


def save(folder: Path, kept: Kept) -> None:
    """Replace the images there, each as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in (("flash.bin", kept.flash), ("eeprom.bin", kept.eeprom)):
        fresh = folder / f".{name}"
        fresh.write_bytes(image)
        fresh.replace(folder / name)


def _sized(path: Path, size: int) -> bytes:
    image = path.read_bytes()
    if len(image) != size:
        raise FirmwareError(f"{path}: {len(image)} bytes, the memory has {size}; remove the file to start afresh")
    return image
