"""Small assembly programs on the emulator: `lab(source)` builds one, starts it and counts its cycles."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from plantkeeper_sim.avr import Firmware, Mcu, StopReason, load_elf

VECTORS = [
    "RESET",
    "INT0",
    "INT1",
    "PCINT0",
    "PCINT1",
    "PCINT2",
    "WDT",
    "TIMER2_COMPA",
    "TIMER2_COMPB",
    "TIMER2_OVF",
    "TIMER1_CAPT",
    "TIMER1_COMPA",
    "TIMER1_COMPB",
    "TIMER1_OVF",
    "TIMER0_COMPA",
    "TIMER0_COMPB",
    "TIMER0_OVF",
    "SPI_STC",
    "USART_RX",
    "USART_UDRE",
    "USART_TX",
    "ADC",
    "EE_READY",
    "ANALOG_COMP",
    "TWI",
    "SPM_READY",
]
VECTOR_BYTES = 4
INTERRUPT_RESPONSE = 4  # cycles from the boundary at which the interrupt is seen to the first of its vector (7.7.1)

PRELUDE = """
#define __SFR_OFFSET 0
#include <avr/io.h>
.macro outi register, value
    ldi r16, \\value
    out \\register, r16
.endm
.macro stsi register, value
    ldi r16, \\value
    sts \\register, r16
.endm
.macro nops count
    .rept \\count
    nop
    .endr
.endm
"""

Compile = Callable[..., Path]


class Lab:
    """One program on one machine.

    Args:
        firmware: what runs; its labels are the places to run to.
    """

    def __init__(self, firmware: Firmware, mcu: Mcu) -> None:
        self.firmware = firmware
        self.mcu = mcu
        self.marks: dict[str, int] = {}  # cycles that a test wants to keep

    @property
    def cycles(self) -> int:
        """The machine's clock."""
        return self.mcu.cycles

    def __getitem__(self, register: int) -> int:
        """R0–R31 by number."""
        return self.mcu.registers[register]

    def address(self, place: str) -> int:
        """Byte address of a label, or of the vector of an interrupt."""
        if place in VECTORS:
            return VECTOR_BYTES * VECTORS.index(place)
        return self.firmware.symbols[place]

    def to(self, place: str, within: int = 20_000) -> int:
        """Step until the PC stands on a label or vector; the cycle of it."""
        target, end = self.address(place), self.mcu.cycles + within
        while self.mcu.pc != target:
            assert self.mcu.cycles < end, f"{place} not reached within {within} cycles; PC is {self.mcu.pc:#06x}"
            self.mcu.run(self.mcu.cycles + 1)
        return self.mcu.cycles

    def go(self, cycles: int) -> StopReason:
        """Run for so many cycles."""
        return self.mcu.run(self.mcu.cycles + cycles)


@pytest.fixture(scope="session")
def compile_avr(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """avr-gcc: source text → path of the ELF."""
    directory = tmp_path_factory.mktemp("avr")

    def compile_avr(source: str, *, suffix: str, options: tuple[str, ...] = (), mcu: str = "atmega328p") -> Path:
        number = len(list(directory.iterdir()))
        path, elf = directory / f"program{number}{suffix}", directory / f"program{number}.elf"
        path.write_text(source, encoding="utf-8")
        built = subprocess.run(
            ["avr-gcc", f"-mmcu={mcu}", "-gdwarf-2", *options, "-o", str(elf), str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert built.returncode == 0, f"avr-gcc (Debian: gcc-avr avr-libc) says:\n{built.stderr}"
        return elf

    return compile_avr


@pytest.fixture(scope="session")
def assemble(compile_avr: Compile) -> Callable[[str], Firmware]:
    """Assembly without start files → firmware; the same source is assembled once."""

    @cache
    def assemble(source: str) -> Firmware:
        return load_elf(compile_avr(source, suffix=".S", options=("-nostdlib", "-nostartfiles")))

    return assemble


MakeLab = Callable[..., Lab]


@pytest.fixture
def lab(assemble: Callable[[str], Firmware]) -> MakeLab:
    """`lab(source, vectors={"TIMER0_OVF": "isr"}, **mcu_options)`: the program starts at `main`."""

    def make(source: str, vectors: Mapping[str, str] | None = None, **options: object) -> Lab:
        handlers = {"RESET": "main", **(vectors or {})}
        table = "\n".join(f"    jmp {handlers.get(name, 'unexpected')}" for name in VECTORS)
        text = f"{PRELUDE}\n.global main\n{table}\nunexpected:\n    .word 0xFFFF\n{textwrap.dedent(source)}\n"
        firmware = assemble(text)
        mcu = Mcu(firmware, **options)  # type: ignore[arg-type] # passed on as they come
        made = Lab(firmware, mcu)
        made.to("main")
        return made

    return make
