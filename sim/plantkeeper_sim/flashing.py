"""What is in a board's flash: an application, and Arduino's bootloader behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from plantkeeper_sim.avr import UNO, Firmware, Fuses, load_elf
from plantkeeper_sim.avr.elf import FLASH_BYTES
from plantkeeper_sim.avr.hexfile import records
from plantkeeper_sim.errors import FirmwareError

BOOTLOADER = "hardware/arduino/avr/bootloaders/optiboot/optiboot_atmega328.hex"
ARDUINO_FOLDERS = (Path("/usr/share/arduino"), Path("/usr/local/share/arduino"))
BOOTSZ = 0x06


@dataclass(frozen=True)
class Bootloader:
    """A bootloader, and the fuses that go with it.

    Args:
        code: what stands from the beginning of the boot section.
        fuses: an Uno's, with a boot section into which the code fits.
    """

    code: bytes
    fuses: Fuses


def optiboot(folders: Iterable[Path] = ARDUINO_FOLDERS) -> Path:
    """Where Optiboot for the Uno is: Arduino's core brings it (Debian: arduino-core-avr).

    Raises:
        FirmwareError: it is in none of the folders.
    """
    places = [folder / BOOTLOADER for folder in folders]
    for place in places:
        if place.is_file():
            return place
    raise FirmwareError(
        f"no bootloader for the Uno at {', '.join(map(str, places))}; install Debian's arduino-core-avr, or name one "
        "with --bootloader"
    )


def load_bootloader(path: Path) -> Bootloader:
    """A bootloader from its .hex, with the smallest boot section that holds it.

    Debian's build of Optiboot has 532 bytes and was linked for a section of 512, where it reaches over the end of the
    flash and over its own version word. Its code jumps relatively only, so it stands at the beginning of a section of
    1024 bytes here. The version word, which nobody reads from flash, is left out where code is in its place.

    Raises:
        FirmwareError: the file cannot be read, is damaged, or larger than the largest boot section.
    """
    contents: dict[int, int] = {}
    for address, data in records(_text(path), path.name):
        for at, byte in enumerate(data, address):
            contents.setdefault(at, byte)
    start = min(contents, default=0)
    code = bytearray()
    while start + len(code) in contents:
        code.append(contents[start + len(code)])
    for steps in range(3, -1, -1):
        fuses = Fuses(low=UNO.low, high=UNO.high & ~BOOTSZ | steps << 1, extended=UNO.extended, lock=UNO.lock)
        if 0 < len(code) <= FLASH_BYTES - fuses.boot_start:
            return Bootloader(bytes(code), fuses)
    raise FirmwareError(f"{path}: {len(code)} bytes of code; a boot section holds 1…{FLASH_BYTES - fuses.boot_start}")


def load_application(path: Path) -> bytes:
    """Flash contents from address 0: of an .elf, an Intel HEX file (.hex), or a plain image (.bin).

    Raises:
        FirmwareError: the file cannot be read, is damaged, or reaches beyond the flash.
    """
    if path.suffix == ".elf":
        return load_elf(path).image
    if path.suffix == ".bin":
        return _bytes(path)
    image = bytearray()
    for address, data in records(_text(path), path.name):
        if address + len(data) > FLASH_BYTES:
            raise FirmwareError(f"{path}: reaches 0x{address + len(data):X}, the ATmega328P has {FLASH_BYTES} bytes")
        image.extend(b"\xff" * (address + len(data) - len(image)))
        image[address : address + len(data)] = data
    return bytes(image)


def with_bootloader(application: bytes, bootloader: Bootloader) -> Firmware:
    """A board's flash: the application from address 0, the bootloader in its section.

    Raises:
        FirmwareError: the application reaches into the boot section.
    """
    start = bootloader.fuses.boot_start
    if len(application) > start:
        raise FirmwareError(
            f"an application of {len(application)} bytes; {start} fit before the bootloader at 0x{start:04X}"
        )
    return flashed((application.ljust(start, b"\xff") + bootloader.code).ljust(FLASH_BYTES, b"\xff"))


def flashed(image: bytes) -> Firmware:
    """A flash's contents as a firmware; what it was made of is not known any more."""
    return Firmware("flash", image, hashlib.sha256(image).hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"{path}: cannot be read ({error.strerror})") from error


def _text(path: Path) -> str:
    return _bytes(path).decode("ascii", "replace")
