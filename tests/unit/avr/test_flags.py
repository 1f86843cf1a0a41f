"""Register instructions against a reference in Python: the boolean formulae of the Instruction Set Manual (DS40002198).

Each reference works on the bits as the manual writes them (Rd3 · Rr3 + …), not on wide integers as the core does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plantkeeper_sim.avr import Firmware, Mcu

C, Z, N, V, S, H, T = (1 << bit for bit in range(7))
BYTES = st.integers(0, 255)
EXHAUSTIVE = settings(derandomize=True, max_examples=300, deadline=None)


@dataclass
class Cpu:
    """What the reference works on: flags by name, and results."""

    sreg: int
    registers: dict[int, int] = field(default_factory=dict)

    def flag(self, name: int) -> bool:
        return bool(self.sreg & name)

    def set(self, **flags: bool) -> None:
        """Set or clear flags by letter; S follows N and V."""
        for letter, value in flags.items():
            mask = {"c": C, "z": Z, "n": N, "v": V, "h": H, "t": T}[letter]
            self.sreg = self.sreg | mask if value else self.sreg & ~mask
        if flags.keys() & {"n", "v"}:
            self.sreg = self.sreg | S if self.flag(N) != self.flag(V) else self.sreg & ~S


def bits(value: int, count: int = 8) -> list[bool]:
    return [bool(value >> bit & 1) for bit in range(count)]


def add(cpu: Cpu, rd: int, rr: int, *, carry: bool) -> int:
    result = (rd + rr + carry) % 256
    d, r, x = bits(rd), bits(rr), bits(result)
    cpu.set(
        h=(d[3] and r[3]) or (r[3] and not x[3]) or (not x[3] and d[3]),
        v=(d[7] and r[7] and not x[7]) or (not d[7] and not r[7] and x[7]),
        n=x[7],
        z=not any(x),
        c=(d[7] and r[7]) or (r[7] and not x[7]) or (not x[7] and d[7]),
    )
    return result


def subtract(cpu: Cpu, rd: int, rr: int, *, carry: bool = False, keep_z: bool = False) -> int:
    result = (rd - rr - carry) % 256
    d, r, x = bits(rd), bits(rr), bits(result)
    zero = not any(x)
    cpu.set(
        h=(not d[3] and r[3]) or (r[3] and x[3]) or (x[3] and not d[3]),
        v=(d[7] and not r[7] and not x[7]) or (not d[7] and r[7] and x[7]),
        n=x[7],
        z=zero and cpu.flag(Z) if keep_z else zero,
        c=(not d[7] and r[7]) or (r[7] and x[7]) or (x[7] and not d[7]),
    )
    return result


def logic(cpu: Cpu, result: int) -> int:
    cpu.set(v=False, n=result > 127, z=result == 0)
    return result


def shift(cpu: Cpu, rd: int, top: bool) -> int:
    result = rd >> 1 | top << 7
    carry, negative = bool(rd & 1), top
    cpu.set(c=carry, n=negative, z=result == 0, v=negative != carry)
    return result


def com(cpu: Cpu, rd: int) -> int:
    logic(cpu, 255 - rd)
    cpu.set(c=True)
    return 255 - rd


def neg(cpu: Cpu, rd: int) -> int:
    result = -rd % 256
    x, d = bits(result), bits(rd)
    cpu.set(h=x[3] or d[3], v=result == 0x80, n=x[7], z=result == 0, c=result != 0)
    return result


def inc(cpu: Cpu, rd: int) -> int:
    result = (rd + 1) % 256
    cpu.set(v=rd == 0x7F, n=result > 127, z=result == 0)
    return result


def dec(cpu: Cpu, rd: int) -> int:
    result = (rd - 1) % 256
    cpu.set(v=rd == 0x80, n=result > 127, z=result == 0)
    return result


TWO_REGISTERS: dict[str, tuple[int, bool, Callable[[Cpu, int, int], int]]] = {
    # name: opcode, whether the result is stored, reference
    "ADD": (0x0C00, True, lambda cpu, d, r: add(cpu, d, r, carry=False)),
    "ADC": (0x1C00, True, lambda cpu, d, r: add(cpu, d, r, carry=cpu.flag(C))),
    "SUB": (0x1800, True, subtract),
    "SBC": (0x0800, True, lambda cpu, d, r: subtract(cpu, d, r, carry=cpu.flag(C), keep_z=True)),
    "CP": (0x1400, False, subtract),
    "CPC": (0x0400, False, lambda cpu, d, r: subtract(cpu, d, r, carry=cpu.flag(C), keep_z=True)),
    "AND": (0x2000, True, lambda cpu, d, r: logic(cpu, d & r)),
    "OR": (0x2800, True, lambda cpu, d, r: logic(cpu, d | r)),
    "EOR": (0x2400, True, lambda cpu, d, r: logic(cpu, d ^ r)),
    "MOV": (0x2C00, True, lambda cpu, d, r: r),
}
IMMEDIATE = {
    "CPI": (0x3000, False, TWO_REGISTERS["CP"][2]),
    "SBCI": (0x4000, True, TWO_REGISTERS["SBC"][2]),
    "SUBI": (0x5000, True, TWO_REGISTERS["SUB"][2]),
    "ORI": (0x6000, True, TWO_REGISTERS["OR"][2]),
    "ANDI": (0x7000, True, TWO_REGISTERS["AND"][2]),
    "LDI": (0xE000, True, TWO_REGISTERS["MOV"][2]),
}
ONE_REGISTER: dict[str, tuple[int, Callable[[Cpu, int], int]]] = {
    "COM": (0x9400, com),
    "NEG": (0x9401, neg),
    "SWAP": (0x9402, lambda cpu, d: d >> 4 | (d & 15) << 4),
    "INC": (0x9403, inc),
    "ASR": (0x9405, lambda cpu, d: shift(cpu, d, d > 127)),
    "LSR": (0x9406, lambda cpu, d: shift(cpu, d, top=False)),
    "ROR": (0x9407, lambda cpu, d: shift(cpu, d, cpu.flag(C))),
    "DEC": (0x940A, dec),
}


def execute(word: int, sreg: int, registers: dict[int, int]) -> tuple[int, dict[int, int], int]:
    """One instruction on the emulator: (SREG, the registers that were given or changed, cycles)."""
    machine = Mcu(Firmware.from_words([word, 0, 0, 0]))
    machine.sreg = sreg
    before = bytearray(32)
    for number, value in registers.items():
        before[number] = value
    machine.write_data(0, bytes(before))
    machine.run(1)
    after = machine.registers
    changed = {n: after[n] for n in range(32) if n in registers or after[n] != before[n]}
    return machine.sreg, changed, machine.cycles


def signed(value: int) -> int:
    return value - 256 if value > 127 else value


@pytest.mark.parametrize("name", TWO_REGISTERS)
@EXHAUSTIVE
@given(st.integers(0, 31), st.integers(0, 31), BYTES, BYTES, BYTES)
@example(0, 1, 0, 0, Z)
@example(4, 5, 0x80, 0x80, 0)
@example(30, 31, 0x7F, 0xFF, C)
@example(7, 7, 0x88, 0x88, C | Z)
def test_two_registers(name: str, d: int, r: int, rd: int, rr: int, sreg: int) -> None:
    opcode, stored, reference = TWO_REGISTERS[name]
    if d == r:
        rr = rd
    cpu = Cpu(sreg)
    result = reference(cpu, rd, rr)
    word = opcode | (r & 16) << 5 | d << 4 | r & 15
    expected = {r: rr} | {d: result if stored else rd}
    assert execute(word, sreg, {d: rd, r: rr}) == (cpu.sreg, expected, 1)


@pytest.mark.parametrize("name", IMMEDIATE)
@EXHAUSTIVE
@given(st.integers(16, 31), BYTES, BYTES, BYTES)
@example(16, 0, 0, C | Z)
@example(31, 0x80, 1, 0)
def test_immediate(name: str, d: int, rd: int, constant: int, sreg: int) -> None:
    opcode, stored, reference = IMMEDIATE[name]
    cpu = Cpu(sreg)
    result = reference(cpu, rd, constant)
    word = opcode | (constant & 0xF0) << 4 | (d - 16) << 4 | constant & 15
    assert execute(word, sreg, {d: rd}) == (cpu.sreg, {d: result if stored else rd}, 1)


@pytest.mark.slow
@pytest.mark.parametrize("carry", [0, C])
@pytest.mark.parametrize("name", ONE_REGISTER)
def test_one_register_for_every_value(name: str, carry: int) -> None:
    opcode, reference = ONE_REGISTER[name]
    for rd in range(256):
        sreg = carry | (0xFE & ~(rd * 37))
        cpu = Cpu(sreg)
        result = reference(cpu, rd)
        assert execute(opcode | rd % 32 << 4, sreg, {rd % 32: rd}) == (cpu.sreg, {rd % 32: result}, 1)


@pytest.mark.parametrize(
    ("word", "signed_d", "signed_r", "fractional"),
    [(0x0300, 1, 0, 0), (0x0308, 0, 0, 1), (0x0380, 1, 1, 1), (0x0388, 1, 0, 1)],
    ids=["MULSU", "FMUL", "FMULS", "FMULSU"],
)
@EXHAUSTIVE
@given(d=st.integers(16, 23), r=st.integers(16, 23), rd=BYTES, rr=BYTES, sreg=BYTES)
@example(d=16, r=17, rd=0x80, rr=0x80, sreg=0)
def test_multiply_upper_registers(
    word: int, signed_d: bool, signed_r: bool, fractional: bool, d: int, r: int, rd: int, rr: int, sreg: int
) -> None:
    """C is bit 15 of the product before the fractional shift, Z that of the result."""
    rr = rd if d == r else rr
    product = (signed(rd) if signed_d else rd) * (signed(rr) if signed_r else rr) % 0x10000
    result = product << fractional & 0xFFFF
    flags = sreg & ~(C | Z) | (C if product >> 15 else 0) | (0 if result else Z)
    after, registers, cycles = execute(word | (d - 16) << 4 | r - 16, sreg, {d: rd, r: rr, 0: 1, 1: 1})
    assert (after, cycles) == (flags, 2)
    assert registers == {d: rd, r: rr, 0: result & 0xFF, 1: result >> 8}


@pytest.mark.parametrize(("opcode", "is_signed", "low"), [(0x9C00, 0, 0), (0x0200, 1, 16)], ids=["MUL", "MULS"])
@EXHAUSTIVE
@given(d=st.integers(16, 31), r=st.integers(16, 31), rd=BYTES, rr=BYTES, sreg=BYTES)
def test_multiply(opcode: int, is_signed: bool, low: int, d: int, r: int, rd: int, rr: int, sreg: int) -> None:
    rr = rd if d == r else rr
    product = (signed(rd) * signed(rr) if is_signed else rd * rr) % 0x10000
    flags = sreg & ~(C | Z) | (C if product >> 15 else 0) | (0 if product else Z)
    word = opcode | (d - low) << 4 | (r & 15 if low else (r & 16) << 5 | r & 15)
    after, registers, cycles = execute(word, sreg, {d: rd, r: rr, 0: 1, 1: 1})
    assert (after, cycles) == (flags, 2)
    assert registers == {d: rd, r: rr, 0: product & 0xFF, 1: product >> 8}


@pytest.mark.parametrize(("opcode", "sign"), [(0x9600, 1), (0x9700, -1)], ids=["ADIW", "SBIW"])
@EXHAUSTIVE
@given(pair=st.sampled_from([24, 26, 28, 30]), value=st.integers(0, 0xFFFF), constant=st.integers(0, 63), sreg=BYTES)
@example(pair=24, value=0x7FFF, constant=1, sreg=0)
@example(pair=24, value=0x8000, constant=1, sreg=0)
@example(pair=30, value=0, constant=0, sreg=0xFF)
@example(pair=30, value=0xFFFF, constant=1, sreg=0)
def test_word_immediate(opcode: int, sign: int, pair: int, value: int, constant: int, sreg: int) -> None:
    result = (value + sign * constant) % 0x10000
    d7, r15 = bool(value >> 15), bool(result >> 15)
    cpu = Cpu(sreg)
    overflow, carry = (not d7 and r15, not r15 and d7)
    if sign < 0:
        overflow, carry = carry, overflow
    cpu.set(v=overflow, c=carry, n=r15, z=result == 0)
    word = opcode | (constant & 0x30) << 2 | (pair - 24) // 2 << 4 | constant & 15
    expected = {pair: result & 0xFF, pair + 1: result >> 8}
    assert execute(word, sreg, {pair: value & 0xFF, pair + 1: value >> 8}) == (cpu.sreg, expected, 2)


@EXHAUSTIVE
@given(register=st.integers(0, 31), bit=st.integers(0, 7), value=BYTES, sreg=BYTES)
def test_bit_transfer_and_sreg_bits(register: int, bit: int, value: int, sreg: int) -> None:
    """BST, BLD, BSET, BCLR."""
    stored = sreg & ~T | (T if value >> bit & 1 else 0)
    assert execute(0xFA00 | register << 4 | bit, sreg, {register: value}) == (stored, {register: value}, 1)
    loaded = value & ~(1 << bit) | (1 << bit if sreg & T else 0)
    assert execute(0xF800 | register << 4 | bit, sreg, {register: value}) == (sreg, {register: loaded}, 1)
    assert execute(0x9408 | bit << 4, sreg, {}) == (sreg | 1 << bit, {}, 1)
    assert execute(0x9488 | bit << 4, sreg, {}) == (sreg & ~(1 << bit), {}, 1)
