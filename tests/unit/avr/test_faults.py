"""What a program or an ELF must not do, and the messages that say so: name, PC, source line, remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantkeeper_sim.avr import Firmware, Mcu, faults, load_elf
from plantkeeper_sim.avr import mcu as mcu_module
from plantkeeper_sim.avr.binding import load
from plantkeeper_sim.avr.registers import REGISTER_NAMES, register_name
from plantkeeper_sim.errors import (
    DataAccessError,
    ExecutionOutsideProgramError,
    FirmwareError,
    IllegalOpcodeError,
    McuFault,
    NotModelledError,
    SimError,
    StackOverflowError,
)

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Compile, MakeLab

HELPER = """
#include <stdint.h>
#include <avr/io.h>
volatile uint8_t sink;
"""
# source that fails on its line 5, error, what the message says besides PC and line
C_FAULTS = {
    "illegal opcode": ('asm volatile(".word 0xFFFF");', IllegalOpcodeError, "illegal opcode 0xFFFF"),
    "write past RAM": ("*(volatile uint8_t *)0x0900 = 1;", DataAccessError, "data access to 0x0900"),
    "read past RAM": ("sink = *(volatile uint8_t *)0x5000;", DataAccessError, "data access to 0x5000"),
    "reserved register": ("*(volatile uint8_t *)0xBF = 1;", NotModelledError, "use of reserved register (0xBF)"),
    "asynchronous timer": ("ASSR = 0x20;", NotModelledError, "use of ASSR (0xB6)"),
    "comparator interrupt": ("ACSR = 8;", NotModelledError, "use of ACSR (0x50)"),
    "noise canceller": ("TCCR1B = 0x80;", NotModelledError, "use of TCCR1B (0x81)"),
    "interrupt vectors moved": ("MCUCR = 2;", NotModelledError, "use of MCUCR (0x55)"),
    "reserved timer mode": ("TCCR0B = 0x09;", NotModelledError, "use of TCCR0B (0x45)"),
    "LPM beyond flash": (
        'asm volatile("ldi r31, 0x80\\n lpm r0, Z" ::: "r31", "r0");',
        DataAccessError,
        "LPM from 0x80",
    ),
}


@pytest.mark.parametrize(("line", "error", "says"), C_FAULTS.values(), ids=C_FAULTS)
def test_fault_names_pc_and_source_line(compile_avr: Compile, line: str, error: type[McuFault], says: str) -> None:
    path = compile_avr(f"{HELPER}int main(void) {{ {line}\n for (;;); }}\n", suffix=".c", options=("-Os",))
    machine = Mcu(load_elf(path))
    with pytest.raises(error) as caught:
        machine.run(100_000)
    message = str(caught.value)
    assert says in message
    assert re.search(rf"at PC 0x{caught.value.pc:04X} \({path.stem}\.c:5 in main\(\)\), cycle \d+", message)
    assert machine.pc == caught.value.pc
    with pytest.raises(error):
        machine.run(200_000)  # a machine that failed does not go on


def test_stack_into_static_data(compile_avr: Compile) -> None:
    source = """
        #include <stdint.h>
        volatile uint8_t big[1900];
        volatile uint8_t depth;
        __attribute__((noinline)) uint8_t down(uint8_t n) {
            volatile uint8_t a[20];
            a[n] = n;
            depth++;
            return down(n) + a[n];
        }
        int main(void) { return big[down(1)]; }
    """
    firmware = load_elf(compile_avr(source, suffix=".c", options=("-O1", "-fno-optimize-sibling-calls")))
    machine = Mcu(firmware)
    with pytest.raises(
        StackOverflowError, match=r"the stack grew down to 0x0[0-9A-F]{3} at PC .* in down\(\)"
    ) as caught:
        machine.run(1_000_000)
    assert f"static data that ends at 0x{firmware.stack_limit:04X}" in str(caught.value)
    assert firmware.stack_limit == firmware.symbols["_end"]
    assert machine.lowest_sp < firmware.stack_limit + 32


def test_stack_beyond_ram(lab: MakeLab) -> None:
    for code, where in (("pop r0", "0x0900"), ("ret", "0x0901"), ("outi SPH, 0\n outi SPL, 0xFF\n push r0", "0x00FF")):
        rig = lab(f"main: {code}\n nop")
        with pytest.raises(DataAccessError, match=f"data access to {where} at PC 0x"):
            rig.go(20)


def test_interrupt_with_a_stack_outside_ram(lab: MakeLab) -> None:
    rig = lab("main: outi SPH, 0\n stsi PCICR, 4\n stsi PCMSK2, 1\n sei\n nops 40", {"PCINT2": "main"})
    rig.go(10)
    rig.mcu.pin("PD0").drive(True)
    with pytest.raises(DataAccessError, match="data access to 0x00FF"):
        rig.go(30)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([0x0000], "no instruction at PC 0x0002, cycle 1: the program has 2 bytes"),
        ([0xEFEF, 0xEFFF, 0x9409], "a jump at PC 0x0004, cycle 2 to 0x1FFFE: the flash ends at 0x7FFF"),
        ([0xC7FF], "no instruction at PC 0x1000, cycle 2"),
        ([0x940C, 0x8000], "a jump at PC 0x0000, cycle 0 to 0x10000"),
        ([0xCFFF - 1], "no instruction at PC 0x7FFE, cycle 2"),
    ],
    ids=["falls off the end", "IJMP", "RJMP", "JMP", "RJMP below zero wraps"],
)
def test_execution_leaves_the_program(words: list[int], says: str) -> None:
    with pytest.raises(ExecutionOutsideProgramError) as caught:
        Mcu(Firmware.from_words(words)).run(100)
    assert says in str(caught.value)


def test_falling_off_a_full_flash() -> None:
    """The last word may skip over a two-word instruction: three words beyond the flash."""
    for last in (0x0000, 0x1000, 0x940C):
        words = [0x940E, 0x0000] + [0] * (16384 - 3) + [last]
        machine = Mcu(Firmware.from_words(words))
        machine.pc = 2 * 16383
        with pytest.raises(SimError):
            machine.run(100)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.sampled_from(sorted(set(range(0x20, 0x100)) - set(REGISTER_NAMES))), st.booleans())
def test_every_reserved_address_raises(address: int, store: bool) -> None:
    words = [0x9300 if store else 0x9100, address, 0]
    with pytest.raises(NotModelledError, match=re.escape(f"use of {register_name(address)} at PC 0x0000")):
        Mcu(Firmware.from_words(words)).run(10)


@pytest.mark.parametrize("address", REGISTER_NAMES, ids=REGISTER_NAMES.values())
def test_every_named_register_can_be_read_at_reset(address: int) -> None:
    machine = Mcu(Firmware.from_words([0x9100, address, 0]))
    machine.run(2)
    reset_values = {"SPL": 0xFF, "SPH": 0x08, "MCUSR": 1, "UCSR0A": 0x20, "UCSR0C": 6, "TWSR": 0xF8, "TWAR": 0xFE}
    reset_values |= {"TWDR": 0xFF}
    assert machine.registers[16] == reset_values.get(REGISTER_NAMES[address], 0)


# ---- ELF files ---------------------------------------------------------------------------------------------


def test_good_elf(compile_avr: Compile) -> None:
    source = """
        #include <avr/eeprom.h>
        uint8_t in_eeprom[3] EEMEM = {1, 2, 3};
        volatile uint8_t initialised = 0x5A;
        int main(void) { for (;;) initialised++; }
    """
    firmware = load_elf(compile_avr(source, suffix=".c", options=("-Os",)))
    assert firmware.eeprom == b"\1\2\3"
    assert Mcu(firmware).eeprom[:4] == b"\1\2\3\xff"
    assert firmware.symbols["initialised"] == 0x100
    assert firmware.locate(firmware.symbols["main"]).endswith(".c:5 in main()")
    machine = Mcu(firmware)
    machine.run(1000)
    assert machine.read_data(0x100, 1) != b"\x5a"


@pytest.mark.parametrize("mcu", ["atmega2560", "attiny85", "atmega168p"])
def test_elf_for_another_mcu(compile_avr: Compile, mcu: str) -> None:
    path = compile_avr("int main(void) { return 0; }", suffix=".c", mcu=mcu)
    with pytest.raises(FirmwareError, match=rf"{path.name}: built for .*expected .*(atmega328p|5 \(avr-gcc)"):
        load_elf(path)


def test_relocatable_object_is_not_a_program(compile_avr: Compile) -> None:
    path = compile_avr("int main(void) { return 0; }", suffix=".c", options=("-c",))
    with pytest.raises(FirmwareError, match="expected a linked program"):
        load_elf(path)


def test_elf_of_this_computer(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=r"built for EM_.*, expected EM_AVR"):
        load_elf("/proc/self/exe")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=r"no\.elf: cannot be read \(No such file or directory\); build"):
        load_elf(tmp_path / "no.elf")


@pytest.mark.parametrize("content", [b"", b":100000000C9434000C943E00", b"\x7fELF", b"\x7fELF\x01\x01\x01" + bytes(40)])
def test_not_an_elf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "firmware.hex"
    path.write_bytes(content)
    with pytest.raises(FirmwareError, match=r"firmware\.hex: "):
        load_elf(path)


@pytest.fixture(scope="session")
def sound_elf(compile_avr: Compile) -> bytes:
    return compile_avr("int main(void) { for (;;); }", suffix=".c").read_bytes()


@pytest.fixture
def as_file() -> Iterator[Callable[[bytes], Path]]:
    """Bytes → the path of a file in memory that holds them."""
    descriptor = os.memfd_create("damaged")

    def write(content: bytes) -> Path:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        return Path(f"/proc/self/fd/{descriptor}")

    yield write
    os.close(descriptor)


@pytest.mark.slow
@settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_elf_is_refused_or_loads(
    sound_elf: bytes, as_file: Callable[[bytes], Path], data: st.DataObject
) -> None:
    """Cut or changed anywhere in its headers, an ELF gives a FirmwareError or a Firmware, and nothing else."""
    content = bytearray(sound_elf)
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content)), label="length") :]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, min(len(content) - 1, 0x200)))] = data.draw(st.integers(0, 255))
    path = as_file(bytes(content))
    try:
        firmware = load_elf(path)
    except FirmwareError as error:
        assert str(path) in str(error)  # noqa: PT017 - it need not be raised
    else:
        assert 0 < len(firmware.image) <= 0x8000


def test_too_many_words() -> None:
    with pytest.raises(FirmwareError, match="32770 bytes do not fit into 32768"):
        Firmware.from_words([0] * 16385)


def test_constants_are_those_of_the_header() -> None:
    """Python's names for the core's codes, held to api.h."""
    _, lib = load()
    for name in ("DEADLINE", "PIN", "SPI", "TWI", "ADC", "UART", "HALTED", "FAULT", "RESET"):
        assert getattr(mcu_module, f"STOP_{name}") == getattr(lib, f"AVR_STOP_{name}")
    for name in ("START", "WRITE", "READ", "STOP"):
        assert getattr(mcu_module, f"TWI_{name}") == getattr(lib, f"AVR_TWI_{name}")
    names = {
        "ILLEGAL": "ILLEGAL",
        "OUTSIDE": "PC",
        "DATA": "DATA",
        "STACK": "STACK",
        "REGISTER": "REGISTER",
        "SPM": "SPM",
        "RWW": "RWW",
        "LOCK": "LOCK",
    }
    for ours, theirs in (*names.items(), ("FLASH", "FLASH")):
        assert getattr(faults, ours) == getattr(lib, f"AVR_FAULT_{theirs}")
