"""What a firmware takes: flash by part, the stack at its deepest, RAM that nothing ever touched, cycles a reading.

Stack and cycles are measured on the emulated board, the stack by painting: RAM between static data and its end is
filled with a pattern, and what still has it after a hard time was never touched.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from plantkeeper_hil.firmware.size import DATA_SPACE, sections_of, size_of
from plantkeeper_sim.avr import Firmware, load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.net import Fault
from plantkeeper_sim.parts.dht11 import Dht11Fault
from plantkeeper_sim.provision import KEY_BYTES, BoardConfig

PAINT = 0xC5
CLOCK_HZ = 16_000_000
RAM_END = 0x900  # of the ATmega328P (8.3)
REST = "start-up, tables, avr-libc"
CORE = "Arduino core"
SEED = 1
WARM_UP_S, READINGS, PERIOD_S = 5.0, 10, 300
COMMANDS = (b"*IDN?", b"READ?", b"POST?", b"STAT?", b"*TST?", b"SYST:ERR?", b"CONF:NET:IP?", b"CONF:SAVE", b"X")


# Supply current in mA at 16 MHz and 5 V: twice the typical values at 8 MHz (DS40002061A table 29-13; figures 31-332 and
# 31-337 show that it grows with the clock). The Uno's regulator, its USB chip and the W5500 take far more.
ACTIVE_MA, IDLE_MA = 2 * 5.2, 2 * 1.2
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

    @property
    def awake_s_a_day(self) -> float:
        """Seconds of a day in which the CPU runs, at 288 signed readings."""
        return (self.reading_cycles + self.signature_cycles) * (DAY_S / PERIOD_S) / CLOCK_HZ

    @property
    def charge_mah_a_day(self) -> float:
        """What the ATmega328P takes from its supply in such a day: an estimate from the data sheet's currents."""
        return (self.awake_s_a_day * ACTIVE_MA + (DAY_S - self.awake_s_a_day) * IDLE_MA) / 3600


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


def measure(elf: Path) -> Footprint:
    """Run the firmware on emulated boards and see what it takes."""
    firmware = load_elf(elf)
    with _gateway() as address:
        cycles = [_reading_cycles(firmware, address, key_number=number) for number in (0, 1)]
        touched_from = _lowest_touched(firmware, address)
    return Footprint(
        stack_bytes=RAM_END - touched_from,
        untouched_bytes=touched_from - firmware.stack_limit,
        reading_cycles=cycles[0],
        signature_cycles=cycles[1] - cycles[0],
    )


def _board(firmware: Firmware, address: tuple[str, int], *, key_number: int, period_s: int = PERIOD_S) -> UnoBoard:
    config = BoardConfig(7, key_number=key_number, key=bytes(range(KEY_BYTES)), period_s=period_s)
    board = UnoBoard(firmware, config, seed=SEED, patience_s=1)
    board.network.map(str(config.gateway), config.gateway_port, to=address)
    return board


def _reading_cycles(firmware: Firmware, address: tuple[str, int], *, key_number: int) -> int:
    board = _board(firmware, address, key_number=key_number)
    board.run_for(WARM_UP_S)
    before = board.mcu.awake_cycles
    board.run_for(READINGS * PERIOD_S)
    board.close()
    return (board.mcu.awake_cycles - before) // READINGS


def _lowest_touched(firmware: Firmware, address: tuple[str, int]) -> int:
    """A hard time: signed posts, every kind of network fault, all commands, dead sensors, a journal that fills up."""
    board = _board(firmware, address, key_number=1, period_s=4)
    board.mcu.write_data(firmware.stack_limit, bytes([PAINT]) * (RAM_END - firmware.stack_limit))
    faults = (Fault(), Fault(refuse=True), Fault(trickle_bytes=1), Fault(answer_limit=20), Fault(unreachable=True))
    board.network.fault_of = lambda index: faults[index % len(faults)]
    for command in COMMANDS:
        board.run_for(7.3)
        board.mcu.uart.feed(command + b"\n")
    board.w5500.link_up = False
    board.run_for(200)
    board.dht11.fault, board.si1145.stuck = Dht11Fault.CHECKSUM, True
    for command in COMMANDS:
        board.run_for(3.7)
        board.mcu.uart.feed(command + b"\n")
    board.w5500.link_up, board.network.fault_of = True, lambda _index: Fault()
    board.run_for(20)
    board.close()
    ram = board.mcu.read_data(firmware.stack_limit, RAM_END - firmware.stack_limit)
    return firmware.stack_limit + next((at for at, byte in enumerate(ram) if byte != PAINT), len(ram))


class _Answer200(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


@contextmanager
def _gateway() -> Iterator[tuple[str, int]]:
    """A gateway that takes everything."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answer200) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            host, port = server.server_address[:2]
            yield str(host), int(port)
        finally:
            server.shutdown()
            thread.join()
