"""SI1145 light sensor on I²C, address 0x60: register map, command protocol, visible channel.

Ref: Silicon Labs Si1145/46/47 data sheet, sections 4.5 (register map), 5.3 (command and response), 5.4
(parameter RAM). Modelled: identification, HW_KEY, commands NOP, RESET, PARAM_QUERY, PARAM_SET, ALS_FORCE,
visible data. Any other command or a read of an unlisted register raises PartError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.wires import Clock

ADDRESS = 0x60
PART_ID, REV_ID, SEQ_ID = 0x00, 0x01, 0x02
HW_KEY, PARAM_WR, COMMAND = 0x07, 0x17, 0x18
RESPONSE, ALS_VIS_DATA0, ALS_VIS_DATA1, PARAM_RD, CHIP_STAT = 0x20, 0x22, 0x23, 0x2E, 0x30
READABLE = {
    PART_ID, REV_ID, SEQ_ID, 0x03, 0x04, HW_KEY, 0x08, 0x09, 0x0F, 0x10, 0x13, 0x14, 0x15, 0x16, PARAM_WR, COMMAND,
    RESPONSE, 0x21, ALS_VIS_DATA0, ALS_VIS_DATA1, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D,
    PARAM_RD, CHIP_STAT,
}  # fmt: skip
WRITABLE = {0x03, 0x04, HW_KEY, 0x08, 0x09, 0x0F, 0x10, 0x13, 0x14, 0x15, 0x16, PARAM_WR, COMMAND, 0x21}
HW_KEY_VALUE = 0x17
CHLIST, CHLIST_ALS_VISIBLE = 0x01, 0x10
INVALID_SETTING = 0x80
NO_AUTO_INCREMENT = 0x40
START_UP_S = 0.025
COMMAND_S = 100e-6
CONVERSION_S = 285e-6  # one channel at the default ADC counter
MAX_COUNT = 65535


@dataclass(frozen=True)
class LightSample:
    """One measurement of the visible channel."""

    cycles: int
    count: int


class Si1145:
    """The sensor.

    Args:
        clock: virtual time.
        visible_count: what the visible photodiode counts now, 0–65535.
    """

    def __init__(self, clock: Clock, visible_count: Callable[[], float]) -> None:
        self._clock = clock
        self._visible_count = visible_count
        self.silent = False  # fault: does not acknowledge
        self.stuck = False  # fault: carries out no command
        self.history: list[LightSample] = []
        self.power_up()

    def power_up(self) -> None:
        """Power came: nothing is set up."""
        self._registers = bytearray(0x40)
        self._registers[PART_ID], self._registers[SEQ_ID] = 0x45, 0x08
        self._parameters = bytearray(0x20)
        self._pointer = 0
        self._increment = True
        self._pointer_next = False
        self._ready_at = self._clock.cycles + round(START_UP_S * self._clock.clock_hz)
        self._epoch = getattr(self, "_epoch", 0) + 1

    def begin(self, read: bool) -> bool:  # noqa: FBT001 - the R/W bit of the wire
        """Addressed."""
        self._pointer_next = not read
        return not self.silent

    def write(self, byte: int) -> bool:
        """Register pointer first, then data."""
        if self._pointer_next:
            self._pointer_next = False
            self._pointer, self._increment = byte & 0x3F, not byte & NO_AUTO_INCREMENT
            return True
        self._write_register(self._pointer, byte)
        self._step()
        return True

    def read(self, ack: bool) -> int:  # noqa: ARG002, FBT001 - the acknowledge bit of the wire
        """The register under the pointer."""
        register = self._pointer
        if register not in READABLE:
            raise PartError(f"SI1145: read of register 0x{register:02X}, which the data sheet does not list")
        self._step()
        return self._registers[register]

    def stop(self) -> None:
        """Nothing hangs on the end of a transfer."""

    def _step(self) -> None:
        if self._increment:
            self._pointer = (self._pointer + 1) & 0x3F

    def _write_register(self, register: int, value: int) -> None:
        if register not in WRITABLE:
            raise PartError(f"SI1145: write of 0x{value:02X} to register 0x{register:02X}, which is not writable")
        self._registers[register] = value
        if register == COMMAND:
            self._command(value)

    def _command(self, code: int) -> None:
        if self.stuck or self._clock.cycles < self._ready_at:
            return
        if code == 0x00:
            self._registers[RESPONSE] = 0
        elif code == 0x01:
            self.power_up()
        elif code & 0xE0 == 0x80:
            self._later(COMMAND_S, lambda: self._query(code & 0x1F))
        elif code & 0xE0 == 0xA0:
            value = self._registers[PARAM_WR]
            self._later(COMMAND_S, lambda: self._set(code & 0x1F, value))
        elif code == 0x06:
            self._later(CONVERSION_S, self._measure)
        else:
            raise PartError(f"SI1145: command 0x{code:02X} is not modelled (plantkeeper_sim/parts/si1145.py)")

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        epoch = self._epoch

        def act() -> None:
            if epoch == self._epoch:  # a reset in between forgets the command
                action()

        self._clock.call_in(seconds, act)

    def _done(self) -> None:
        """The response's low nibble counts commands carried out (section 5.3)."""
        if self._registers[RESPONSE] & 0x80 == 0:
            self._registers[RESPONSE] = (self._registers[RESPONSE] + 1) & 0x0F

    def _query(self, parameter: int) -> None:
        self._registers[PARAM_RD] = self._parameters[parameter]
        self._done()

    def _set(self, parameter: int, value: int) -> None:
        self._parameters[parameter] = self._registers[PARAM_RD] = value
        self._done()

    def _measure(self) -> None:
        if self._registers[HW_KEY] != HW_KEY_VALUE:
            raise PartError(
                f"SI1145: measurement with HW_KEY 0x{self._registers[HW_KEY]:02X}; the data sheet demands 0x17 first"
            )
        if self._parameters[CHLIST] & CHLIST_ALS_VISIBLE:
            count = max(0, min(MAX_COUNT, round(self._visible_count())))
            self.history.append(LightSample(self._clock.cycles, count))
            self._registers[ALS_VIS_DATA0], self._registers[ALS_VIS_DATA1] = count & 0xFF, count >> 8
        self._done()
