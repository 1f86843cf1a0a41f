"""Turns the core's fault codes into errors that name register, PC and source line."""

from __future__ import annotations

from plantkeeper_sim.avr.elf import Firmware
from plantkeeper_sim.avr.registers import register_name
from plantkeeper_sim.errors import (
    DataAccessError,
    ExecutionOutsideProgramError,
    FlashAccessError,
    IllegalOpcodeError,
    McuFault,
    NotModelledError,
    StackOverflowError,
)

# AVR_FAULT_* of api.h; tests/unit/avr holds them equal
ILLEGAL, OUTSIDE, DATA, STACK, REGISTER, SPM, FLASH, RWW, LOCK = range(1, 10)
ERASED_WORD = 0xFFFF


def place(firmware: Firmware, pc: int, cycles: int) -> tuple[int, str]:
    """A PC in bytes, and how a message says it: `at PC 0x1234 (main.cpp:42 in loop()), cycle 99`."""
    source = firmware.locate(pc)
    return pc, f"at PC 0x{pc:04X}{f' ({source})' if source else ''}, cycle {cycles}"


def fault_from(code: int, address: int, pc: int, firmware: Firmware, cycles: int) -> McuFault:
    """The error for a fault.

    Args:
        code: AVR_FAULT_* of api.h.
        address: opcode, flash word, data address or register, by code.
        pc: byte address of the instruction.
        firmware: for the source line.
        cycles: when it happened.
    """
    _, where = place(firmware, pc, cycles)
    if code == OUTSIDE:
        return _left_the_program(2 * address, pc, where, len(firmware.image))
    error, message = {
        ILLEGAL: (
            IllegalOpcodeError,
            f"illegal opcode 0x{address:04X} {where}: "
            + ("erased flash" if address == ERASED_WORD else "the ATmega328P has no such instruction"),
        ),
        DATA: (DataAccessError, f"data access to 0x{address:04X} {where}: the SRAM is 0x0100–0x08FF"),
        STACK: (
            StackOverflowError,
            (
                f"the stack grew down to 0x{address:04X} {where}, into static data that ends at "
                f"0x{firmware.stack_limit:04X}: too deep calls, or too much static data"
            ),
        ),
        REGISTER: (
            NotModelledError,
            f"use of {register_name(address)} {where} in a way that is not modelled (docs/emulator.md)",
        ),
        SPM: (
            NotModelledError,
            (
                f"self-programming {where} with Z = 0x{address:04X}: the data sheet leaves open what it does (a word "
                "of the page buffer loaded twice, a fuse or signature byte that there is not)"
            ),
        ),
        FLASH: (DataAccessError, f"LPM from 0x{address:04X} {where}: the flash ends at 0x7FFF"),
        RWW: (
            FlashAccessError,
            (
                f"use of flash 0x{address:04X} {where} while a page of that section is written: first wait for SPMEN "
                "to fall and set RWWSRE"
            ),
        ),
        LOCK: (FlashAccessError, f"LPM from 0x{address:04X} {where}: the boot lock bits forbid it"),
    }[code]
    return error(message, pc=pc)


def _left_the_program(target: int, pc: int, where: str, size: int) -> ExecutionOutsideProgramError:
    cause = "a wild jump, or a return through a damaged stack"
    if target == pc:
        return ExecutionOutsideProgramError(f"no instruction {where}: the program has {size} bytes; {cause}", pc=pc)
    return ExecutionOutsideProgramError(f"a jump {where} to 0x{target:04X}: the flash ends at 0x7FFF; {cause}", pc=pc)
