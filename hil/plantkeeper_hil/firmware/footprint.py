"""What a firmware takes: flash by part, the stack at its deepest, RAM that nothing ever touched, cycles a reading.

Stack and cycles are measured on the emulated board, the stack by painting: RAM between static data and its end is
filled with a pattern, and what still has it after a hard time was never touched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from plantkeeper_hil.firmware.build import UNO
from plantkeeper_hil.firmware.rigs import RIGS, Rig
from plantkeeper_hil.firmware.size import DATA_SPACE, sections_of, size_of
from plantkeeper_sim.avr import Firmware, load_elf
from plantkeeper_sim.parts.dht11 import Dht11Fault

PAINT = 0xC5
CLOCK_HZ = 16_000_000
RAM_END = 0x900  # of the ATmega328P (8.3)
REST = "start-up, tables, avr-libc"
CORE = "Arduino core"
WARM_UP_S, READINGS, PERIOD_S = 5.0, 10, 300
QUIET_S = 900.0  # it sleeps deep once nobody used the console for ten minutes
COMMANDS = (b"*IDN?", b"READ?", b"POST?", b"STAT?", b"*TST?", b"SYST:ERR?", b"CONF:NET:IP?", b"CONF:SAVE", b"X")


# Supply current in mA at 16 MHz and 5 V: twice the typical values at 8 MHz (DS40002061B, DC Characteristics of the
# ATmega328P; its Typical Characteristics show that it grows with the clock). The Uno's regulator, its USB chip and the
# W5500 take far more.
ACTIVE_MA, IDLE_MA = 2 * 5.2, 2 * 1.2
# Power-down: typically 4.2 µA at 3 V with the watchdog on, more at 5 V, and the brown-out detector beside it.
POWER_DOWN_MA = 0.03
DAY_S = 86_400


@dataclass(frozen=True)
class Footprint:
    """What a firmware takes while it runs.

    Args:
        stack_bytes: from the end of RAM to the lowest byte that was ever written.
        untouched_bytes: between static data and that.
        reading_cycles: awake for one reading, taken, kept and delivered, unsigned.
        signature_cycles: more for one that is signed.
    """

    stack_bytes: int
    untouched_bytes: int
    reading_cycles: int
    signature_cycles: int


def awake_s_a_day(reading_cycles: int) -> float:
    """Seconds of a day in which the CPU runs, at 288 readings that take so many cycles each, or as many as fit."""
    return min(reading_cycles * (DAY_S / PERIOD_S) / CLOCK_HZ, DAY_S)


def charge_mah_a_day(reading_cycles: int, *, powered_down: float = 0.0) -> float:
    """What the ATmega328P takes from its supply in such a day: an estimate from the data sheet's currents.

    Args:
        reading_cycles: awake for a reading.
        powered_down: the share of the day that it spends in power-down; asleep it idles for the rest.
    """
    awake_s, powered_down_s = awake_s_a_day(reading_cycles), powered_down * DAY_S
    idle_s = DAY_S - awake_s - powered_down_s
    return (awake_s * ACTIVE_MA + idle_s * IDLE_MA + powered_down_s * POWER_DOWN_MA) / 3600


def flash_by_part(elf: Path, firmware_dir: Path) -> dict[str, int]:
    """Bytes of flash by folder of lib/, for src/, the core, and the rest; largest first.

    A function counts to the file that its first instruction is from, a constant to its translation unit.
    """
    part_of = {path.name: f"lib/{path.parent.name}" for path in firmware_dir.glob("lib/*/*.*")}
    part_of |= {path.name: "src" for path in firmware_dir.glob("src/**/*.*")}
    firmware, parts = load_elf(elf), Counter[str]()
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        unit = ""
        for symbol in table.iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind == "STT_FILE":
                unit = Path(symbol.name).name
            elif kind in {"STT_FUNC", "STT_OBJECT"} and symbol["st_value"] < DATA_SPACE:
                source = _source(firmware, symbol["st_value"]) if kind == "STT_FUNC" else unit
                parts[part_of.get(source, CORE if source else REST)] += symbol["st_size"]
    parts[REST] += size_of(sections_of(elf)).flash_bytes - sum(parts.values())
    return dict(parts.most_common())


def _source(firmware: Firmware, address: int) -> str:
    found = re.search(r"([\w.-]+\.\w+):\d+", firmware.locate(address))
    return found[1] if found else ""


def measure(elf: Path, environment: str = UNO) -> Footprint:
    """Run the firmware on emulated boards and see what it takes.

    Args:
        elf: the firmware.
        environment: of firmware/platformio.ini, which tells what its board is to be connected with (`RIGS`).
    """
    firmware, rig = load_elf(elf), RIGS[environment]
    cycles = [reading_cycles(firmware, rig, signed=signed) for signed in (False, True)]
    touched_from = _lowest_touched(firmware, rig)
    return Footprint(
        stack_bytes=RAM_END - touched_from,
        untouched_bytes=touched_from - firmware.stack_limit,
        reading_cycles=cycles[0],
        signature_cycles=cycles[1] - cycles[0],
    )


def reading_cycles(firmware: Firmware, new_rig: Callable[..., Rig], *, signed: bool) -> int:
    """Cycles awake for a reading that is taken and delivered; the mean of ten."""
    with new_rig(firmware, signed=signed, period_s=PERIOD_S) as rig:
        rig.board.run_for(WARM_UP_S)
        before = rig.board.mcu.awake_cycles
        rig.board.run_for(READINGS * PERIOD_S)
        return (rig.board.mcu.awake_cycles - before) // READINGS


def powered_down_share(elf: Path) -> float:
    """How much of its time a board spends in power-down that may, signing a reading every five minutes."""
    with RIGS[UNO](load_elf(elf), signed=True, period_s=PERIOD_S, deep_sleep=True) as rig:
        rig.board.run_for(QUIET_S)
        mcu = rig.board.mcu
        down, cycles = mcu.powered_down_cycles, mcu.cycles
        rig.board.run_for(READINGS * PERIOD_S)
        return (mcu.powered_down_cycles - down) / (mcu.cycles - cycles)


def _lowest_touched(firmware: Firmware, new_rig: Callable[..., Rig]) -> int:
    """A hard time: signed posts, every kind of fault, all commands, short leases, dead sensors, a full journal."""
    with new_rig(firmware, signed=True, period_s=4, leased=True) as rig:
        board, bottom = rig.board, firmware.stack_limit
        board.mcu.write_data(bottom, bytes([PAINT]) * (RAM_END - bottom))
        rig.misbehave()
        for command in COMMANDS:
            board.run_for(7.3)
            board.mcu.uart.feed(command + b"\n")
        rig.unplug()
        board.run_for(200)
        board.dht11.fault, board.si1145.stuck = Dht11Fault.CHECKSUM, True
        for command in COMMANDS:
            board.run_for(3.7)
            board.mcu.uart.feed(command + b"\n")
        rig.behave()
        board.run_for(20)
        ram = board.mcu.read_data(bottom, RAM_END - bottom)
    return bottom + next((at for at, byte in enumerate(ram) if byte != PAINT), len(ram))
