"""The machine: runs a firmware, and asks the attached parts whenever the program touches the outside."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable
from enum import Enum
from itertools import count
from random import Random
from typing import Any

from plantkeeper_sim.avr import binding
from plantkeeper_sim.avr.elf import EEPROM_BYTES, FLASH_BYTES, Firmware
from plantkeeper_sim.avr.faults import fault_from, place
from plantkeeper_sim.avr.fuses import BARE, Fuses
from plantkeeper_sim.avr.pin import Pin
from plantkeeper_sim.avr.ports import Adc, Spi, Twi, Uart
from plantkeeper_sim.errors import SnapshotError

NEVER = 2**64 - 1
WATCHDOG_HZ = 128_000  # 11.8.1, nominal
AVCC_VOLTS = 5.0
SNAPSHOT_HEADER = struct.Struct("<4sI32s")
SNAPSHOT_MAGIC = b"PKS1"
POWER_ON_RESET, EXTERNAL_RESET = 1, 2  # PORF and EXTRF in MCUSR
POWER_DOWN = 2  # SM2:0, table 10-2
# Why avr_run came back (AVR_STOP_* of api.h; tests/unit/avr holds them equal)
STOP_DEADLINE, STOP_PIN, STOP_SPI, STOP_TWI, STOP_ADC = range(5)
STOP_UART, STOP_HALTED, STOP_FAULT, STOP_RESET = range(5, 9)
TWI_START, TWI_WRITE, TWI_READ, TWI_STOP = range(1, 5)
# A power cut: address registers (8.6) in data space, and the bit of EECR while a byte is written
EEAR, EEPE = 0x41, 0x02
SRAM_START, SRAM_BYTES = 0x100, 2048


class StopReason(Enum):
    """Why `Mcu.run` came back."""

    DEADLINE = "deadline reached"
    STOPPED = "stopped by a part"
    HALTED = "asleep, and nothing can ever wake it"


class Timer:
    """A call that is due at a cycle; `cancel` takes it back."""

    __slots__ = ("cancelled", "cycles", "function")

    def __init__(self, cycles: int, function: Callable[[], None]) -> None:
        self.cycles = cycles
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        """The function will not be called."""
        self.cancelled = True


class Mcu:
    """An ATmega328P with a program in its flash.

    Args:
        firmware: what runs.
        clock_hz: CPU clock; with `cycles` it makes the only clock there is.
        fuses: fuses and lock bits, as a programmer set them; default a chip that starts at address 0.
        eeprom: initial EEPROM contents, padded with 0xFF; default the firmware's own, else erased.
        watchdog_hz: frequency of the watchdog's oscillator (11.8.1: nominally 128 kHz, ±10 %).
        reference_volts: AVcc, which is also the supply.
    """

    def __init__(
        self,
        firmware: Firmware,
        *,
        clock_hz: int = 16_000_000,
        fuses: Fuses = BARE,
        eeprom: bytes | None = None,
        watchdog_hz: int = WATCHDOG_HZ,
        reference_volts: float = AVCC_VOLTS,
    ) -> None:
        ffi, lib = binding.load()
        self.firmware = firmware
        self.clock_hz = clock_hz
        self.reference_volts = reference_volts
        self._ffi, self._lib = ffi, lib
        self._flash_id = int.from_bytes(bytes.fromhex(firmware.sha256)[:8], "little")
        self._flash = self._predecoded(firmware.image)
        machine = self._machine = ffi.new("avr_machine *")
        lib.avr_init(machine, clock_hz, watchdog_hz, self._flash_id)
        machine.fuse_low, machine.fuse_high, machine.fuse_extended = fuses.low, fuses.high, fuses.extended
        machine.lock_bits = fuses.lock
        lib.avr_reset(machine, POWER_ON_RESET)
        machine.stack_limit = firmware.stack_limit
        contents = eeprom if eeprom is not None else firmware.eeprom
        if contents is not None:
            self._write_eeprom(contents)
        self._pins: dict[str, Pin] = {}
        self._by_port: tuple[list[Pin], ...] = ([], [], [])
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = count()
        self._stopping = False
        self.spi, self.twi, self.adc = Spi(), Twi(), Adc()
        self.uart = Uart(ffi, lib, self._machine)
        self.on_reset: list[Callable[[], None]] = []

    @property
    def _flash_at_start(self) -> bytes:
        return self.firmware.image.ljust(FLASH_BYTES, b"\xff")

    # ---- state -------------------------------------------------------------------------------------------

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        return int(self._machine.cycles)

    @property
    def time_s(self) -> float:
        """Virtual seconds since power-on."""
        return float(self._machine.cycles / self.clock_hz)

    @property
    def awake_cycles(self) -> int:
        """Cycles in which the CPU executed; the rest it slept."""
        return int(self._machine.awake_cycles)

    @property
    def powered_down_cycles(self) -> int:
        """Cycles in power-down, without the start-up times that followed."""
        machine = self._machine
        now = machine.sleeping == 2 and machine.sleep_mode == POWER_DOWN
        return int(machine.powered_down_cycles + (machine.cycles - machine.slept_at if now else 0))

    @property
    def watchdog_hz(self) -> int:
        """Frequency of the watchdog's oscillator. It drifts with temperature and supply: set, it counts from the next
        period on."""
        return int(self._machine.wdt_hz)

    @watchdog_hz.setter
    def watchdog_hz(self, value: int) -> None:
        self._machine.wdt_hz = value

    @property
    def sleeping(self) -> bool:
        """True between a SLEEP instruction and the interrupt that ends it."""
        return bool(self._machine.sleeping)

    @property
    def pc(self) -> int:
        """Byte address of the next instruction."""
        return int(self._machine.pc) * 2

    @pc.setter
    def pc(self, byte_address: int) -> None:
        self._machine.pc = byte_address // 2

    @property
    def sreg(self) -> int:
        """Status register."""
        return int(self._machine.sreg)

    @sreg.setter
    def sreg(self, value: int) -> None:
        self._machine.sreg = value

    @property
    def sp(self) -> int:
        """Stack pointer."""
        return int.from_bytes(self.read_data(0x5D, 2), "little")

    @sp.setter
    def sp(self, value: int) -> None:
        self.write_data(0x5D, value.to_bytes(2, "little"))

    @property
    def lowest_sp(self) -> int:
        """The lowest stack pointer that a call, push or interrupt reached."""
        return int(self._machine.stack_low)

    @property
    def registers(self) -> bytes:
        """R0–R31."""
        return self.read_data(0, 32)

    @property
    def eeprom(self) -> bytes:
        """The EEPROM's 1024 bytes."""
        return bytes(self._ffi.buffer(self._machine.eeprom))

    def read_data(self, address: int, length: int) -> bytes:
        """Bytes of data space: R0–R31, stored I/O registers, SRAM (0x100–0x8FF). No side effects."""
        return bytes(self._ffi.buffer(self._machine.data)[address : address + length])

    def write_data(self, address: int, data: bytes) -> None:
        """Put bytes into data space, without the side effects that a program's store would have."""
        self._ffi.buffer(self._machine.data)[address : address + len(data)] = data

    @property
    def flash(self) -> bytes:
        """The flash's 32 768 bytes as they are now; a program in the boot section may have changed them."""
        contents = self._ffi.new("uint8_t[]", FLASH_BYTES)
        self._lib.avr_flash_read(self._flash, contents)
        return bytes(self._ffi.buffer(contents))

    @flash.setter
    def flash(self, image: bytes) -> None:
        self._flash = self._predecoded(image)

    def cover(self) -> None:
        """Remember from now on which instructions run; loading another flash forgets it."""
        self._lib.avr_flash_cover(self._flash)

    @property
    def covered(self) -> frozenset[int]:
        """Byte addresses of the instructions that ran since `cover`."""
        words = self._ffi.new("uint8_t[]", FLASH_BYTES // 2)
        self._lib.avr_flash_covered(self._flash, words)
        return frozenset(2 * word for word, ran in enumerate(bytes(self._ffi.buffer(words))) if ran)

    def _predecoded(self, image: bytes) -> Any:
        flash = self._lib.avr_flash_new(image, len(image), self._flash_id)
        if flash == self._ffi.NULL:
            raise MemoryError("no memory for the predecoded program")
        return self._ffi.gc(flash, self._lib.avr_flash_free)

    def _write_eeprom(self, contents: bytes) -> None:
        if len(contents) > EEPROM_BYTES:
            raise ValueError(f"EEPROM contents of {len(contents)} bytes; the ATmega328P has {EEPROM_BYTES}")
        self._ffi.buffer(self._machine.eeprom)[: len(contents)] = contents

    # ---- outside -----------------------------------------------------------------------------------------

    def pin(self, name: str) -> Pin:
        """The wire on a pin such as `PB2`."""
        pin = self._pins.get(name)
        if pin is None:
            pin = self._pins[name] = Pin(name, self._lib, self._machine)
            self._by_port[pin.port].append(pin)
        return pin

    def call_at(self, cycles: int, function: Callable[[], None]) -> Timer:
        """Call `function()` at that cycle, or at the first instruction boundary after it.

        Calls due at the same cycle come in the order in which they were asked for; a cycle that is past
        already means now.
        """
        timer = Timer(cycles, function)
        heapq.heappush(self._timers, (cycles, next(self._order), timer))
        return timer

    def call_in(self, seconds: float, function: Callable[[], None]) -> Timer:
        """`call_at`, so many virtual seconds from now."""
        return self.call_at(self.cycles + round(seconds * self.clock_hz), function)

    def stop(self) -> None:
        """Let `run` come back, at the current instruction boundary. For parts and timers."""
        self._stopping = True

    def reset(self, cause: int = EXTERNAL_RESET) -> None:
        """Reset the chip; `cause` is the bit that MCUSR will show (1 power-on, 2 external, 4 brown-out, 8 watchdog).

        SRAM, EEPROM and flash keep their contents, the cycle counter goes on. A machine that failed works again.
        """
        self._lib.avr_reset(self._machine, cause)
        self._after_reset()

    def lose_power(self, random: Random) -> None:
        """Power fails, and is back at once: a power-on reset, with what it finds in its memories.

        SRAM holds noise; so does the byte of EEPROM that was being written (8.4.2).

        Args:
            random: makes the noise.
        """
        machine = self._machine
        if machine.eeprom_eecr & EEPE:
            at = int.from_bytes(self.read_data(EEAR, 2), "little") % EEPROM_BYTES
            machine.eeprom[at] = random.randrange(256)
        self.write_data(SRAM_START, random.randbytes(SRAM_BYTES))
        self.reset(POWER_ON_RESET)

    # ---- running -----------------------------------------------------------------------------------------

    def run(self, until_cycles: int = NEVER) -> StopReason:
        """Run until the cycle counter reaches `until_cycles`, a part calls `stop`, or nothing can happen any more.

        Raises:
            McuFault: the program did what the machine cannot do; the message has PC and source line.
            Exception: whatever a part raises.
        """
        machine, flash, avr_run, timers = self._machine, self._flash, self._lib.avr_run, self._timers
        self._stopping = False
        while True:
            deadline = until_cycles
            if timers:
                due = timers[0][0]
                if due <= machine.cycles:
                    timer = heapq.heappop(timers)[2]
                    if not timer.cancelled:
                        timer.function()
                        if self._stopping:
                            return StopReason.STOPPED
                    continue
                deadline = min(due, until_cycles)
            code = avr_run(machine, flash, deadline)
            if code == STOP_SPI:  # by far the most frequent
                self._lib.avr_spi_reply(machine, self.spi.transfer(machine.spi_out))
            elif code in (STOP_DEADLINE, STOP_HALTED):
                if machine.cycles >= until_cycles:
                    self.uart.collect()
                    return StopReason.HALTED if code == STOP_HALTED and not timers else StopReason.DEADLINE
                if code == STOP_HALTED and not timers:
                    self.uart.collect()
                    return StopReason.HALTED
            else:
                self._answer(code)
            if self._stopping:
                self.uart.collect()
                return StopReason.STOPPED

    def _answer(self, code: int) -> None:
        machine = self._machine
        if code == STOP_PIN:
            self._dispatch_pins()
        elif code == STOP_TWI:
            self._answer_twi()
        elif code == STOP_ADC:
            where = place(self.firmware, self.pc, self.cycles)
            self._lib.avr_adc_reply(machine, self.adc.convert(machine.adc_channel, self.reference_volts, where))
        elif code == STOP_UART:
            self.uart.collect()
            self.uart.refill()
        elif code == STOP_RESET:
            self._after_reset()
        else:
            raise fault_from(
                machine.fault_code, machine.fault_address, machine.fault_pc * 2, self.firmware, machine.cycles
            )

    def _after_reset(self) -> None:
        self._dispatch_pins()
        for function in self.on_reset:
            function()

    def _dispatch_pins(self) -> None:
        machine = self._machine
        for port, pins in enumerate(self._by_port):
            changed = machine.pin_changed[port]
            if changed:
                machine.pin_changed[port] = 0
                level = machine.pin_level[port]
                for pin in pins:
                    if changed >> pin.bit & 1:
                        for watcher in pin.watchers:
                            watcher(bool(level >> pin.bit & 1), machine.cycles)

    def _answer_twi(self) -> None:
        machine, bus = self._machine, self.twi.bus
        action = machine.twi_action
        if action == TWI_START:
            reply = int(bus.start(machine.twi_byte >> 1, bool(machine.twi_byte & 1)))
        elif action == TWI_WRITE:
            reply = int(bus.write(machine.twi_byte))
        elif action == TWI_READ:
            reply = bus.read(bool(machine.twi_ack))
        else:
            bus.stop()
            reply = 0
        self._lib.avr_twi_reply(machine, reply)

    # ---- snapshots ---------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The machine's whole state; its flash only where the program changed it.

        Parts and timers of `call_at` keep theirs themselves.
        """
        state, flash = bytes(self._ffi.buffer(self._machine)), self.flash
        header = SNAPSHOT_HEADER.pack(SNAPSHOT_MAGIC, len(state), bytes.fromhex(self.firmware.sha256))
        return header + state + (b"" if flash == self._flash_at_start else flash)

    def restore(self, snapshot: bytes) -> None:
        """Put a snapshot's state back.

        Raises:
            SnapshotError: it was taken from another firmware or by another version of the emulator.
        """
        if len(snapshot) < SNAPSHOT_HEADER.size:
            raise SnapshotError(f"a snapshot of {len(snapshot)} bytes is too short to be one")
        magic, size, sha256 = SNAPSHOT_HEADER.unpack_from(snapshot)
        state, flash = snapshot[SNAPSHOT_HEADER.size :][:size], snapshot[SNAPSHOT_HEADER.size + size :]
        sound = size == len(state) == self._ffi.sizeof("avr_machine") and len(flash) in (0, FLASH_BYTES)
        if magic != SNAPSHOT_MAGIC or not sound:
            raise SnapshotError("the snapshot was taken by another version of the emulator; take it anew")
        if sha256 != bytes.fromhex(self.firmware.sha256):
            raise SnapshotError(
                f"the snapshot is of firmware {sha256.hex()[:12]}, this machine runs {self.firmware.sha256[:12]}"
            )
        if self.flash != (flash or self._flash_at_start):
            self._flash = self._predecoded(flash or self.firmware.image)
        watched = [self._machine.pin_watch[port] for port in range(3)]
        self._ffi.buffer(self._machine)[:] = state
        for port, mask in enumerate(watched):
            self._machine.pin_watch[port] = mask
