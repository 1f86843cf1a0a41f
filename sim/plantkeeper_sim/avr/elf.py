"""Load an ELF that was linked for the ATmega328P, and find source lines in its DWARF."""

from __future__ import annotations

import hashlib
import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from plantkeeper_sim.errors import FirmwareError

FLASH_BYTES = 32 * 1024
EEPROM_BYTES = 1024
DATA_SPACE = 0x800000  # where the AVR linker puts SRAM addresses
EEPROM_SPACE = 0x810000
SPACE_MASK = 0xFF0000
EF_AVR_ARCH_MASK = 0x7F
AVR5 = 5  # the ATmega328P's core as e_flags name it (binutils include/elf/avr.h)
DEVICE_NOTE = ".note.gnu.avr.deviceinfo"
EXPECTED_MCU = "atmega328p"


@dataclass(frozen=True)
class Firmware:
    """A program for the ATmega328P.

    Args:
        name: what messages call it.
        image: flash contents from address 0.
        sha256: of the ELF file (of the image, where there is no file).
        eeprom: initial EEPROM contents that the program brings, or None.
        stack_limit: lowest data address that the stack may use (end of static data); 0 where unknown.
        symbols: address by name; code in bytes, data with its 0x800000 taken off.
        elf: the whole file, for DWARF.
    """

    name: str
    image: bytes
    sha256: str
    eeprom: bytes | None = None
    stack_limit: int = 0
    symbols: dict[str, int] = field(default_factory=dict, repr=False)
    functions: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    elf: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_words(cls, words: Sequence[int], name: str = "words") -> Firmware:
        """A program from its flash words, without an ELF."""
        image = b"".join(word.to_bytes(2, "little") for word in words)
        if len(image) > FLASH_BYTES:
            raise FirmwareError(f"{name}: {len(image)} bytes do not fit into {FLASH_BYTES} bytes of flash")
        return cls(name, image, hashlib.sha256(image).hexdigest())

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """The DWARF line table: address and `file:line` of each entry, by address; empty where there is none."""
        return [(address, line) for address, line in self._lines_and_ends if line]

    @cached_property
    def _lines_and_ends(self) -> list[tuple[int, str]]:
        """The same, with "" where a unit's code ends: what follows need not have lines, as avr-libc has none."""
        return sorted(_dwarf_lines(self.elf)) if self.elf is not None else []

    def locate(self, pc: int) -> str:
        """Source place of a byte address: `main.cpp:42 in loop()`, or as much of it as is known; else ""."""
        line = _last_at(self._lines_and_ends, pc)
        function = _last_at(self.functions, pc)
        return " in ".join(part for part in (line, f"{function}()" if function else "") if part)


def load_elf(path: str | Path) -> Firmware:
    """Read an ELF built for the ATmega328P.

    Raises:
        FirmwareError: no such file, damaged, for another machine, or too large; the message says which.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"{path}: cannot be read ({error.strerror}); build the firmware first") from error
    try:
        return _parse(path, content)
    except (ELFError, ValueError, KeyError, IndexError, UnicodeDecodeError, AssertionError) as error:
        raise FirmwareError(
            f"{path}: not a sound ELF file ({str(error) or type(error).__name__}); expected the .elf that avr-gcc "
            "linked for the atmega328p, not a .hex or .bin"
        ) from error


def _parse(path: Path, content: bytes) -> Firmware:
    elf = ELFFile(io.BytesIO(content))
    machine = elf.header["e_machine"]
    if machine != "EM_AVR":
        raise FirmwareError(f"{path}: built for {machine}, expected EM_AVR (avr-gcc -mmcu=atmega328p)")
    if elf.header["e_type"] != "ET_EXEC":
        raise FirmwareError(f"{path}: a {elf.header['e_type']}, expected a linked program (ET_EXEC)")
    arch = elf.header["e_flags"] & EF_AVR_ARCH_MASK
    if arch != AVR5:
        raise FirmwareError(f"{path}: built for AVR architecture {arch}, expected {AVR5} (avr-gcc -mmcu=atmega328p)")
    mcu = _mcu_name(elf)
    if mcu is not None and mcu != EXPECTED_MCU:
        raise FirmwareError(f"{path}: built for the {mcu}, expected the {EXPECTED_MCU}")
    flash, eeprom = _load_segments(path, elf)
    symbols, functions = _symbols(elf)
    end_of_static_data = symbols.get("_end", symbols.get("__heap_start", 0))
    return Firmware(
        name=path.name,
        image=flash,
        sha256=hashlib.sha256(content).hexdigest(),
        eeprom=eeprom,
        stack_limit=end_of_static_data,
        symbols=symbols,
        functions=functions,
        elf=content,
    )


def _mcu_name(elf: ELFFile) -> str | None:
    section = elf.get_section_by_name(DEVICE_NOTE)
    if section is None:
        return None
    names = re.findall(rb"at(?:mega|tiny|xmega)[0-9a-z]+", section.data())
    return names[0].decode("ascii") if names else None


def _load_segments(path: Path, elf: ELFFile) -> tuple[bytes, bytes | None]:
    flash = bytearray()
    eeprom: bytearray | None = None
    for segment in elf.iter_segments("PT_LOAD"):
        data = segment.data()
        if not data:
            continue
        address = segment["p_paddr"]
        if address & SPACE_MASK == EEPROM_SPACE:
            eeprom = _placed(
                path, eeprom or bytearray(), address - EEPROM_SPACE, data, size=EEPROM_BYTES, name="EEPROM"
            )
        elif address < DATA_SPACE:
            flash = _placed(path, flash, address, data, size=FLASH_BYTES, name="flash")
    if not flash:
        raise FirmwareError(f"{path}: holds no program (no loadable segment in flash)")
    return bytes(flash), None if eeprom is None else bytes(eeprom)


def _placed(path: Path, memory: bytearray, at: int, data: bytes, *, size: int, name: str) -> bytearray:
    if at + len(data) > size:
        raise FirmwareError(f"{path}: reaches {at + len(data)} bytes of {name}, the ATmega328P has {size}")
    memory.extend(b"\xff" * (at + len(data) - len(memory)))
    memory[at : at + len(data)] = data
    return memory


def _symbols(elf: ELFFile) -> tuple[dict[str, int], tuple[tuple[int, str], ...]]:
    table = elf.get_section_by_name(".symtab")
    symbols: dict[str, int] = {}
    functions: list[tuple[int, str]] = []
    if isinstance(table, SymbolTableSection):
        for symbol in table.iter_symbols():
            if not symbol.name or symbol["st_shndx"] == "SHN_UNDEF":
                continue
            value = symbol["st_value"]
            symbols[symbol.name] = value - DATA_SPACE if value & SPACE_MASK == DATA_SPACE else value
            if symbol["st_info"]["type"] == "STT_FUNC":
                functions.append((value, symbol.name))
    return symbols, tuple(sorted(functions))


def _dwarf_lines(content: bytes) -> list[tuple[int, str]]:
    elf = ELFFile(io.BytesIO(content))
    if not elf.has_dwarf_info():
        return []
    dwarf = elf.get_dwarf_info()
    lines = []
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        files = program.header["file_entry"]
        first = 0 if program.header["version"] >= 5 else 1
        for entry in program.get_entries():
            state = entry.state
            if state is not None and state.end_sequence:
                lines.append((state.address, ""))
            elif state is not None and 0 <= state.file - first < len(files):
                name = files[state.file - first].name.decode("utf-8", "replace")
                lines.append((state.address, f"{name}:{state.line}"))
    return lines


def _last_at(table: Sequence[tuple[int, str]], address: int) -> str:
    index = bisect_right(table, address, key=lambda entry: entry[0])
    return table[index - 1][1] if index else ""
