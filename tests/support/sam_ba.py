"""A MKR WiFi 1010's boot loader at a pty: SAM-BA as Arduino's speaks it, and as much of the SAM D21 as bossac touches.

Ref: bootloaders/zero in arduino/ArduinoCore-samd (monitor, with its extensions X, Y and Z); SAM D21 data sheet
(DS40001882) chapter 22 (NVMCTRL).
"""

from __future__ import annotations

import re
from binascii import crc_hqx

from pty_device import PtyDevice

FLASH_BYTES, ROW, APPLICATION = 0x40000, 256, 0x2000
RAM_AT, RAM_BYTES = 0x20000000, 0x8000
CPUID, DEVICE_ID, AIRCR = 0xE000ED00, 0x41002018, 0xE000ED0C
NVM_CTRLA, NVM_INTFLAG, NVM_ADDR = 0x41004000, 0x41004014, 0x4100401C
CORTEX_M0_PLUS, SAMD21G18A = 0x410CC601, 0x10010005
ERASE_ROW, PAGE_BUFFER_CLEAR, KEY = 0x02, 0x44, 0xA5
COMMAND = re.compile(rb"([a-zA-Z])([0-9A-Fa-f]*)(?:,([0-9A-Fa-f]*))?#")


class SamBa(PtyDevice):
    """`flash` is the board's; writes only ever clear its bits, as flash does."""

    def __init__(self, flash: bytes) -> None:
        super().__init__()
        assert len(flash) == FLASH_BYTES
        self.flash = bytearray(flash)
        self.was_reset = False
        self._ram = bytearray(RAM_BYTES)
        self._registers = {CPUID: CORTEX_M0_PLUS, DEVICE_ID: SAMD21G18A, NVM_INTFLAG: 1}
        self._pending = b""
        self._storing: tuple[int, int] | None = None  # address, bytes to come
        self._source = 0

    def on_bytes(self, data: bytes) -> None:
        self._pending += data
        while self._pending:
            if self._storing is not None:
                self._store()
                continue
            found = COMMAND.match(self._pending)
            if found is None:
                if self._pending[:1] in b"\x80#\xff":
                    self._pending = self._pending[1:]
                    continue
                return
            self._pending = self._pending[found.end() :]
            name, first, second = found[1].decode(), int(found[2] or b"0", 16), int(found[3] or b"0", 16)
            self.send(self._carry_out(name, first, second))

    def _store(self) -> None:
        assert self._storing is not None
        address, left = self._storing
        part, self._pending = self._pending[:left], self._pending[left:]
        self._ram[address - RAM_AT : address - RAM_AT + len(part)] = part
        self._storing = (address + len(part), left - len(part)) if left > len(part) else None

    def _carry_out(self, name: str, first: int, second: int) -> bytes:
        if name == "N":
            return b"\n\r"
        if name == "V":
            return b"v2.0 [Arduino:XYZ] Mar 25 2020 14:00:00\n\r"
        if name == "w":
            return self._read(first, 4)
        if name == "o":
            return self._read(first, 1)
        if name == "R":
            return self._read(first, second)
        if name == "S":
            self._storing = (first, second)
            return b""
        if name == "W":
            self._write_word(first, second)
            return b""
        if name == "X":
            self.flash[first:] = b"\xff" * (FLASH_BYTES - first)
            return b"X\n\r"
        if name == "Y":
            if second == 0:
                self._source = first - RAM_AT
            else:
                self._program(first, bytes(self._ram[self._source : self._source + second]))
            return b"Y\n\r"
        if name == "Z":
            return b"Z%08X#\n\r" % crc_hqx(self._read(first, second), 0)
        raise AssertionError(f"SAM-BA command {name} is not modelled")

    def _read(self, address: int, size: int) -> bytes:
        if address < FLASH_BYTES:
            return bytes(self.flash[address : address + size])
        if RAM_AT <= address < RAM_AT + RAM_BYTES:
            return bytes(self._ram[address - RAM_AT : address - RAM_AT + size])
        return self._registers.get(address, 0).to_bytes(4, "little")[:size]

    def _write_word(self, address: int, value: int) -> None:
        if address == AIRCR:
            self.was_reset = True
        elif RAM_AT <= address < RAM_AT + RAM_BYTES:
            self._ram[address - RAM_AT : address - RAM_AT + 4] = value.to_bytes(4, "little")
        elif address == NVM_CTRLA:
            assert value >> 8 == KEY
            command, at = value & 0x7F, self._registers[NVM_ADDR] * 2 if NVM_ADDR in self._registers else 0
            assert command in {ERASE_ROW, PAGE_BUFFER_CLEAR}, f"NVM command {command:#x} is not modelled"
            if command == ERASE_ROW:
                self.flash[at - at % ROW : at - at % ROW + ROW] = b"\xff" * ROW
        else:
            self._registers[address] = value

    def _program(self, address: int, content: bytes) -> None:
        for index, byte in enumerate(content, address):
            self.flash[index] &= byte
