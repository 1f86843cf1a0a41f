"""libsimavr's machine behind what our parts see of a microcontroller: a clock and wires (`plantkeeper_sim.wires`)."""

from __future__ import annotations

import heapq
import subprocess
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import cffi

from plantkeeper_sim.avr.buses import TwiBus

SOURCE = Path(__file__).with_name("simavr_board.c")
CLOCK_HZ = 16_000_000
BYTE_CYCLES = CLOCK_HZ * 10 // 115_200
TWI_START, TWI_WRITE, TWI_READ, TWI_STOP = range(1, 5)
CDEF = """
void *board_new(const char *mcu, const uint8_t *image, uint32_t bytes, const uint8_t *eeprom, uint32_t eeprom_bytes);
void board_attach(void *handle, uint8_t (*spi)(uint8_t), void (*pin)(int, int, int), int (*twi)(int, uint8_t),
                  int (*millivolts)(int), void (*sent)(uint8_t));
void board_watch(void *handle, int port, int bit);
void board_drive(void *handle, int port, int bit, int level);
uint32_t board_port(void *handle, int port);
void board_feed(void *handle, uint8_t byte);
void board_until(void *handle, uint64_t until);
int board_run(void *handle);
void board_eeprom(void *handle, uint8_t *content, uint32_t bytes);
uint64_t board_cycles(void *handle);
"""


def build(folder: Path) -> tuple[Any, Any]:
    """Compile `simavr_board.c` against libsimavr, and load it."""
    library = folder / "simavr_board.so"
    strict = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]
    subprocess.run(["cc", *strict, "-shared", "-fPIC", str(SOURCE), "-lsimavr", "-o", str(library)], check=True)
    ffi: Any = cffi.FFI()
    ffi.cdef(CDEF)
    return ffi, ffi.dlopen(str(library))


class Timer:
    """A call that is due."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """It is not called."""
        self.function = None


class SimavrPin:
    """A wire on a pin, with a pull-up resistor on the board."""

    def __init__(self, mcu: SimavrMcu, name: str) -> None:
        self._mcu = mcu
        self.port, self.bit = ord(name[1]) - ord("A"), int(name[2])
        self._outside: bool | None = None
        self.watchers: list[Callable[[bool, int], None]] = []
        mcu.lib.board_watch(mcu.handle, self.port, self.bit)

    @property
    def level(self) -> bool:
        """Level on the wire."""
        state = self._mcu.lib.board_port(self._mcu.handle, self.port)
        out, ddr = state >> 16 >> self.bit & 1, state >> 8 >> self.bit & 1
        if ddr:
            return bool(out)
        return bool(out) if self._outside is None else self._outside

    def drive(self, level: bool | None) -> None:
        """From outside."""
        self._outside = level
        if level is not None and not self._mcu.lib.board_port(self._mcu.handle, self.port) >> 8 >> self.bit & 1:
            self._mcu.lib.board_drive(self._mcu.handle, self.port, self.bit, int(level))

    def watch(self, function: Callable[[bool, int], None]) -> None:
        """Called when the program changes the level."""
        self.watchers.append(function)


class SimavrMcu:
    """A part's view of the machine: `Clock`, pins, and the buses.

    Args:
        ffi, lib: of `build`.
        mcu: simavr's name, such as `atmega2560`.
    """

    def __init__(self, ffi: Any, lib: Any, mcu: str, image: bytes, eeprom: bytes) -> None:
        self.lib, self.clock_hz, self._ffi = lib, CLOCK_HZ, ffi
        self.handle = lib.board_new(mcu.encode(), image, len(image), eeprom, len(eeprom))
        assert self.handle != ffi.NULL, f"simavr knows no {mcu}"
        self.spi_transfer: Callable[[int], int] = lambda _mosi: 0xFF
        self.twi_bus: TwiBus | None = None
        self.volts: dict[int, Callable[[], float]] = {}
        self.console = bytearray()
        self._pins: dict[tuple[int, int], SimavrPin] = {}
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = count()
        self._until = 0
        callback = ffi.callback
        self._callbacks = (
            callback("uint8_t(uint8_t)", self._spi),
            callback("void(int, int, int)", self._pin_changed),
            callback("int(int, uint8_t)", self._twi),
            callback("int(int)", lambda channel: round(1000 * self.volts[channel]())),
            callback("void(uint8_t)", self.console.append),
        )
        lib.board_attach(self.handle, *self._callbacks)

    @property
    def cycles(self) -> int:
        """Now."""
        return int(self.lib.board_cycles(self.handle))

    def call_at(self, cycles: int, function: Callable[[], None]) -> Timer:
        """As `Mcu.call_at`."""
        timer = Timer(function)
        heapq.heappush(self._timers, (cycles, next(self._order), timer))
        if cycles < self._until:  # a part asks for it in the middle of a run
            self._run_until(cycles)
        return timer

    def call_in(self, seconds: float, function: Callable[[], None]) -> Timer:
        """As `Mcu.call_in`."""
        return self.call_at(self.cycles + round(seconds * self.clock_hz), function)

    def eeprom(self, size: int) -> bytes:
        """The EEPROM's first bytes."""
        content = self._ffi.new("uint8_t[]", size)
        self.lib.board_eeprom(self.handle, content, size)
        return bytes(self._ffi.buffer(content))

    def pin(self, name: str) -> SimavrPin:
        """The wire on a pin such as `PE4`."""
        pin = SimavrPin(self, name)
        self._pins[pin.port, pin.bit] = pin
        return pin

    def feed(self, text: bytes) -> None:
        """Type, a byte at a time."""
        for index, byte in enumerate(text):
            self.call_at(self.cycles + index * BYTE_CYCLES, partial(self.lib.board_feed, self.handle, byte))

    def run_for(self, seconds: float) -> None:
        """Run for that much virtual time."""
        until = self.cycles + round(seconds * self.clock_hz)
        while self.cycles < until:
            self._run_until(min(self._timers[0][0], until) if self._timers else until)
            state = self.lib.board_run(self.handle)
            assert state == 0, f"the program crashed or ended (simavr's state {state}) at cycle {self.cycles}"
            while self._timers and self._timers[0][0] <= self.cycles:
                timer = heapq.heappop(self._timers)[2]
                if timer.function is not None:
                    timer.function()

    def _run_until(self, cycles: int) -> None:
        self._until = cycles
        self.lib.board_until(self.handle, cycles)

    def _spi(self, mosi: int) -> int:
        return self.spi_transfer(mosi)

    def _pin_changed(self, port: int, bit: int, level: int) -> None:
        for watcher in self._pins[port, bit].watchers:
            watcher(bool(level), self.cycles)

    def _twi(self, action: int, byte: int) -> int:
        bus = self.twi_bus
        if bus is None:
            return 0
        if action == TWI_START:
            return int(bus.start(byte >> 1, bool(byte & 1)))
        if action == TWI_WRITE:
            return int(bus.write(byte))
        if action == TWI_READ:
            return bus.read(True)
        bus.stop()
        return 0
