"""Turns the core's fault codes into errors that name register, PC and source line."""

from __future__ import annotations

from plantkeeper_sim.avr.elf import Firmware
from plantkeeper_sim.avr.registers import register_name
from plantkeeper_sim.errors import (
    DataAccessError,
    ExecutionOutsideProgramError,
    IllegalOpcodeError,
    McuFault,
    NotModelledError,
    StackOverflowError,
)


def fault_from(code: int, address: int, pc: int, firmware: Firmware, cycles: int) -> McuFault:
    """The error for a fault.

    Args:
        code: AVR_FAULT_* of api.h.
        address: opcode, flash word, data address or register, by code.
        pc: byte address of the instruction.
        firmware: for the source line.
        cycles: when it happened.
    """
    place = firmware.locate(pc)
    where = f"at PC 0x{pc:04X}{f' ({place})' if place else ''}, cycle {cycles}"
    match code:
        case 1:
            return IllegalOpcodeError(
                f"illegal opcode 0x{address:04X} {where}: the ATmega328P has no such instruction", pc=pc
            )
        case 2:
            return ExecutionOutsideProgramError(
                f"execution at 0x{pc:04X} left the program of {len(firmware.image)} bytes (word {address}), "
                f"cycle {cycles}: a wild jump, or a return through a damaged stack",
                pc=pc,
            )
        case 3:
            return DataAccessError(
                f"data access to 0x{address:04X} {where}: the SRAM is 0x0100–0x08FF", pc=pc
            )
        case 4:
            return StackOverflowError(
                f"the stack grew down to 0x{address:04X} {where}, into static data that ends at "
                f"0x{firmware.stack_limit:04X}: too deep calls, or too much static data",
                pc=pc,
            )
        case 5:
            return NotModelledError(
                f"use of {register_name(address)} {where} in a way that is not modelled (docs/emulator.md)",
                pc=pc,
            )
        case _:
            return NotModelledError(f"SPM {where}: writing flash from the program is not modelled", pc=pc)
