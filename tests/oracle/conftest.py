"""Two ATmega328P side by side: ours, and libsimavr's behind `simavr_oracle.c`, put into the same state and compared."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import cffi
import pytest

from plantkeeper_sim.avr import Firmware, Mcu
from plantkeeper_sim.errors import IllegalOpcodeError, NotModelledError

SOURCE = Path(__file__).with_name("simavr_oracle.c")
SRAM = range(0x100, 0x900)
FLASH_BYTES = 0x8000
GPIOR = (0x3E, 0x4A, 0x4B)
SPL, SPH, SREG = 0x5D, 0x5E, 0x5F
PLAIN_REGISTERS = frozenset((*GPIOR, SPL, SPH, SREG))
"""I/O registers that are storage and nothing else, so that an instruction may touch them in both machines."""

INSTRUCTIONS = tuple(
    (name, re.sub(r"\s", "", pattern))
    for name, pattern in (
        ("NOP", "0000 0000 0000 0000"), ("MOVW", "0000 0001 dddd rrrr"), ("MULS", "0000 0010 dddd rrrr"),
        ("MULSU", "0000 0011 0ddd 0rrr"), ("FMUL", "0000 0011 0ddd 1rrr"), ("FMULS", "0000 0011 1ddd 0rrr"),
        ("FMULSU", "0000 0011 1ddd 1rrr"), ("CPC", "0000 01rd dddd rrrr"), ("SBC", "0000 10rd dddd rrrr"),
        ("ADD", "0000 11rd dddd rrrr"), ("CPSE", "0001 00rd dddd rrrr"), ("CP", "0001 01rd dddd rrrr"),
        ("SUB", "0001 10rd dddd rrrr"), ("ADC", "0001 11rd dddd rrrr"), ("AND", "0010 00rd dddd rrrr"),
        ("EOR", "0010 01rd dddd rrrr"), ("OR", "0010 10rd dddd rrrr"), ("MOV", "0010 11rd dddd rrrr"),
        ("CPI", "0011 kkkk dddd kkkk"), ("SBCI", "0100 kkkk dddd kkkk"), ("SUBI", "0101 kkkk dddd kkkk"),
        ("ORI", "0110 kkkk dddd kkkk"), ("ANDI", "0111 kkkk dddd kkkk"), ("LDDZ", "10q0 qq0d dddd 0qqq"),
        ("LDDY", "10q0 qq0d dddd 1qqq"), ("STDZ", "10q0 qq1d dddd 0qqq"), ("STDY", "10q0 qq1d dddd 1qqq"),
        ("LDS", "1001 000d dddd 0000"), ("LDZ+", "1001 000d dddd 0001"), ("LD-Z", "1001 000d dddd 0010"),
        ("LPM", "1001 000d dddd 0100"), ("LPMZ+", "1001 000d dddd 0101"), ("LDY+", "1001 000d dddd 1001"),
        ("LD-Y", "1001 000d dddd 1010"), ("LDX", "1001 000d dddd 1100"), ("LDX+", "1001 000d dddd 1101"),
        ("LD-X", "1001 000d dddd 1110"), ("POP", "1001 000d dddd 1111"), ("STS", "1001 001d dddd 0000"),
        ("STZ+", "1001 001d dddd 0001"), ("ST-Z", "1001 001d dddd 0010"), ("STY+", "1001 001d dddd 1001"),
        ("ST-Y", "1001 001d dddd 1010"), ("STX", "1001 001d dddd 1100"), ("STX+", "1001 001d dddd 1101"),
        ("ST-X", "1001 001d dddd 1110"), ("PUSH", "1001 001d dddd 1111"), ("COM", "1001 010d dddd 0000"),
        ("NEG", "1001 010d dddd 0001"), ("SWAP", "1001 010d dddd 0010"), ("INC", "1001 010d dddd 0011"),
        ("ASR", "1001 010d dddd 0101"), ("LSR", "1001 010d dddd 0110"), ("ROR", "1001 010d dddd 0111"),
        ("DEC", "1001 010d dddd 1010"), ("BSET", "1001 0100 0sss 1000"), ("BCLR", "1001 0100 1sss 1000"),
        ("IJMP", "1001 0100 0000 1001"), ("RET", "1001 0101 0000 1000"), ("ICALL", "1001 0101 0000 1001"),
        ("RETI", "1001 0101 0001 1000"), ("SLEEP", "1001 0101 1000 1000"), ("BREAK", "1001 0101 1001 1000"),
        ("WDR", "1001 0101 1010 1000"), ("LPM0", "1001 0101 1100 1000"), ("SPM", "1001 0101 1110 1000"),
        ("JMP", "1001 010k kkkk 110k"), ("CALL", "1001 010k kkkk 111k"), ("ADIW", "1001 0110 kkdd kkkk"),
        ("SBIW", "1001 0111 kkdd kkkk"), ("CBI", "1001 1000 aaaa abbb"), ("SBIC", "1001 1001 aaaa abbb"),
        ("SBI", "1001 1010 aaaa abbb"), ("SBIS", "1001 1011 aaaa abbb"), ("MUL", "1001 11rd dddd rrrr"),
        ("IN", "1011 0aad dddd aaaa"), ("OUT", "1011 1aad dddd aaaa"), ("RJMP", "1100 kkkk kkkk kkkk"),
        ("RCALL", "1101 kkkk kkkk kkkk"), ("LDI", "1110 kkkk dddd kkkk"), ("BRBS", "1111 00kk kkkk ksss"),
        ("BRBC", "1111 01kk kkkk ksss"), ("BLD", "1111 100d dddd 0bbb"), ("BST", "1111 101d dddd 0bbb"),
        ("SBRC", "1111 110r rrrr 0bbb"), ("SBRS", "1111 111r rrrr 0bbb"),
    )
)  # fmt: skip
"""The instruction set of the ATmega328P (AVRe+), from the manual's opcode boxes; what matches none is reserved."""

CDEF = """
typedef struct {
    uint64_t cycles;
    uint32_t pc;
    uint16_t sp;
    uint8_t sreg, crashed;
    uint8_t registers[32];
    uint8_t gpior[3];
    uint8_t sram[2048];
} oracle_state;
void *oracle_new(void);
void oracle_load(void *handle, const uint8_t *image, uint32_t bytes);
void oracle_set(void *handle, const oracle_state *state);
void oracle_get(void *handle, oracle_state *state);
void oracle_step(void *handle);
void oracle_flash(void *handle, uint8_t *image);
uint32_t oracle_state_size(void);
"""


@dataclass(frozen=True)
class State:
    """All that an instruction can see or change. `pc` in bytes; `crashed` means that the opcode was refused."""

    pc: int
    sp: int
    sreg: int
    registers: bytes
    sram: bytes
    gpior: bytes = bytes(3)
    cycles: int = 0
    crashed: bool = False

    @classmethod
    def random(cls, random: Random, pc: int = 0) -> State:
        """Any state whose stack pointer leaves room for a call and a return."""
        return cls(
            pc=pc,
            sp=random.randrange(SRAM.start + 8, SRAM.stop - 8),
            sreg=random.randrange(256),
            registers=random.randbytes(32),
            sram=random.randbytes(len(SRAM)),
            gpior=random.randbytes(3),
        )

    def at(self, pc: int) -> State:
        """The same at another place."""
        return replace(self, pc=pc)

    def with_registers(self, registers: bytes) -> State:
        """The same with other R0–R31."""
        return replace(self, registers=registers)

    def with_status(self, *, sreg: int, sp: int) -> State:
        """The same with another SREG and stack pointer."""
        return replace(self, sreg=sreg, sp=sp)

    def pointer(self, register: int) -> int:
        """The pair R(register+1):R(register)."""
        return int.from_bytes(self.registers[register : register + 2], "little")

    def with_pointer(self, register: int, value: int) -> State:
        """The pair R(register+1):R(register) set to `value`."""
        pair = value.to_bytes(2, "little")
        return replace(self, registers=self.registers[:register] + pair + self.registers[register + 2 :])

    def difference(self, other: State) -> str:
        """What differs, one line a field; "" where nothing does."""
        lines = []
        for name in ("crashed", "pc", "sp", "sreg", "cycles"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{name}: ours {mine:#x}, oracle {theirs:#x}")
        for name, base in (("registers", 0), ("gpior", 0), ("sram", SRAM.start)):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                places = [index for index in range(len(mine)) if mine[index] != theirs[index]]
                lines.extend(
                    f"{name}[{base + index:#x}]: ours {mine[index]:#04x}, oracle {theirs[index]:#04x}"
                    for index in places[:4]
                )
        return "\n".join(lines)


class Ours:
    """Our emulator with one program, one instruction at a time."""

    def __init__(self, image: bytes) -> None:
        words = [int.from_bytes(image[at : at + 2], "little") for at in range(0, len(image), 2)]
        self.mcu = Mcu(Firmware.from_words(words))
        self.faulted = False

    def put(self, state: State) -> None:
        """Take over a state."""
        mcu = self.mcu
        mcu.pc, mcu.sreg = state.pc, state.sreg
        mcu.write_data(0, state.registers)
        for address, value in zip(GPIOR, state.gpior, strict=True):
            mcu.write_data(address, bytes((value,)))
        mcu.sp = state.sp
        mcu.write_data(SRAM.start, state.sram)

    def get(self, since: int = 0, *, crashed: bool = False) -> State:
        """The state now; cycles count from `since`."""
        mcu = self.mcu
        gpior = b"".join(mcu.read_data(address, 1) for address in GPIOR)
        return State(
            mcu.pc, mcu.sp, mcu.sreg, mcu.registers, mcu.read_data(SRAM.start, len(SRAM)), gpior,
            mcu.cycles - since, crashed,
        )  # fmt: skip

    def step(self) -> None:
        """One instruction."""
        self.mcu.run(self.mcu.cycles + 1)


class Simavr:
    """libsimavr's machine."""

    def __init__(self, ffi: Any, lib: Any) -> None:
        self._ffi, self._lib = ffi, lib
        self._handle = lib.oracle_new()
        assert self._handle != ffi.NULL
        self._state = ffi.new("oracle_state *")

    def load(self, image: bytes) -> None:
        """Flash a program."""
        self._lib.oracle_load(self._handle, image, len(image))

    def put(self, state: State) -> None:
        """Take over a state."""
        native = self._state
        native.cycles, native.pc, native.sp, native.sreg = state.cycles, state.pc, state.sp, state.sreg
        native.registers, native.gpior, native.sram = state.registers, state.gpior, state.sram
        self._lib.oracle_set(self._handle, native)

    def get(self) -> State:
        """The state now."""
        native = self._state
        self._lib.oracle_get(self._handle, native)
        buffer = self._ffi.buffer
        return State(
            native.pc, native.sp, native.sreg, bytes(buffer(native.registers)), bytes(buffer(native.sram)),
            bytes(buffer(native.gpior)), native.cycles, bool(native.crashed),
        )  # fmt: skip

    def step(self) -> None:
        """One instruction."""
        self._lib.oracle_step(self._handle)

    @property
    def flash(self) -> bytes:
        """The flash's contents."""
        image = self._ffi.new("uint8_t[]", FLASH_BYTES)
        self._lib.oracle_flash(self._handle, image)
        return bytes(self._ffi.buffer(image))


def build_oracle(directory: Path) -> tuple[Any, Any]:
    """Compile `simavr_oracle.c` with the system's compiler against libsimavr, and load it."""
    library = directory / "simavr_oracle.so"
    command = [
        "cc",
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
    ]
    built = subprocess.run(
        [*command, str(SOURCE), "-lsimavr", "-o", str(library)], capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        pytest.fail(
            f"the oracle does not compile (Debian: apt-get install gcc libsimavr-dev libelf-dev):\n{built.stderr}"
        )
    ffi: Any = cffi.FFI()
    ffi.cdef(CDEF)
    lib = ffi.dlopen(str(library))
    assert lib.oracle_state_size() == ffi.sizeof("oracle_state")
    return ffi, lib


class Pair:
    """Both machines; every comparison goes through here."""

    def __init__(self, simavr: Simavr) -> None:
        self.simavr = simavr

    def program(self, image: bytes) -> Ours:
        """Flash both; returns ours."""
        self.simavr.load(image)
        return Ours(image)

    def step(self, ours: Ours, start: State, *, oracle_too: bool = True) -> tuple[State, State | None]:
        """One instruction from `start` on both: (ours, oracle's); cycles count the instruction alone."""
        theirs = None
        if oracle_too:
            self.simavr.put(start)
            self.simavr.step()
            theirs = self.simavr.get()
        ours.put(start)
        before = ours.mcu.cycles
        try:
            ours.step()
        except (IllegalOpcodeError, NotModelledError):
            ours.faulted = True
            return replace(start, crashed=True), theirs
        return ours.get(before), theirs


def mask_and_value(pattern: str) -> tuple[int, int]:
    """The fixed bits of a pattern such as `1001 000d dddd 0000` (spaces are ignored; letters are free bits)."""
    bits = pattern.replace(" ", "")
    assert len(bits) == 16, pattern
    fixed = "".join("1" if bit in "01" else "0" for bit in bits)
    value = "".join(bit if bit in "01" else "0" for bit in bits)
    return int(fixed, 2), int(value, 2)


def matches(word: int, pattern: str) -> bool:
    """Whether an opcode word has the fixed bits of a pattern."""
    mask, value = mask_and_value(pattern)
    return word & mask == value


@cache
def mnemonic(word: int) -> str | None:
    """Which instruction an opcode word is; None where it is reserved."""
    return next((name for name, pattern in INSTRUCTIONS if matches(word, pattern)), None)


def is_two_words(word: int) -> bool:
    """LDS, STS, JMP, CALL."""
    return mnemonic(word) in ("LDS", "STS", "JMP", "CALL")


def data_addresses(word: int, after: int, state: State) -> list[int]:
    """The data addresses that an instruction will touch, apart from the registers it names."""
    name = mnemonic(word) or ""
    pointers = {letter: state.pointer(at) for letter, at in zip("XYZ", (26, 28, 30), strict=True)}
    if name in ("LDS", "STS"):
        return [after]
    if name[:3] in ("LDD", "STD"):
        displacement = (word & 7) | (word >> 7 & 0x18) | (word >> 8 & 0x20)
        return [(pointers[name[3]] + displacement) & 0xFFFF]
    if found := re.fullmatch(r"(?:LD|ST)(-?)([XYZ])\+?", name):
        return [(pointers[found[2]] - len(found[1])) & 0xFFFF]
    if name in ("IN", "OUT"):
        return [0x20 + ((word & 15) | (word >> 5 & 0x30))]
    if name in ("SBI", "CBI", "SBIC", "SBIS"):
        return [0x20 + (word >> 3 & 31)]
    pushes = {"PUSH": 1, "RCALL": 2, "CALL": 2, "ICALL": 2}.get(name, 0)
    pops = {"POP": 1, "RET": 2, "RETI": 2}.get(name, 0)
    return [state.sp - i for i in range(pushes)] + [state.sp + 1 + i for i in range(pops)]


def flash_address(word: int, after: int, state: State) -> int:
    """The byte address in flash that an instruction reads or jumps to absolutely; 0 where it does neither."""
    pointer = state.pointer(30)
    match mnemonic(word):
        case "LPM" | "LPMZ+" | "LPM0":
            return pointer
        case "IJMP" | "ICALL":
            return 2 * pointer
        case "JMP" | "CALL":
            return 2 * (after | (word & 1) << 16 | (word & 0x1F0) << 13)
        case "RET" | "RETI":
            at = state.sp + 1 - SRAM.start
            return 2 * int.from_bytes(state.sram[at : at + 2], "big")
        case _:
            return 0


def is_comparable(word: int, after: int, state: State) -> bool:
    """True where both machines have all that an instruction touches: plain storage and 32 KiB of flash.

    Ours raises on the rest (tests/unit/avr), and peripherals have tests of their own.
    """
    plain = all(
        address < 32 or address in PLAIN_REGISTERS or address in SRAM for address in data_addresses(word, after, state)
    )
    return plain and flash_address(word, after, state) < FLASH_BYTES


@dataclass(frozen=True, repr=False)
class Toolbox:
    """The functions above, for tests: they cannot import this file."""

    random_state: Callable[[Random], State] = State.random
    mnemonic: Callable[[int], str | None] = mnemonic
    matches: Callable[[int, str], bool] = matches
    is_two_words: Callable[[int], bool] = is_two_words
    is_comparable: Callable[[int, int, State], bool] = is_comparable
    mask_and_value: Callable[[str], tuple[int, int]] = mask_and_value
    instructions: tuple[tuple[str, str], ...] = INSTRUCTIONS


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Both machines, the oracle freshly compiled."""
    return Pair(Simavr(*build_oracle(tmp_path_factory.mktemp("oracle"))))


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """Decoding and random states."""
    return Toolbox()
