"""Every opcode word, and random instructions and programs, on our machine and on simavr's: the same in all they do.

Where simavr 1.6 and the AVR Instruction Set Manual (DS40002198) part, `EXCEPTIONS` says so, and ours is held to
the manual. In nothing else may the two differ: not a flag, not a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.oracle.conftest import Ours, Pair, State, Toolbox

pytestmark = pytest.mark.oracle

REPRODUCIBLE = settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
FLASH_WORDS = 16384
CODE_START = 0x2000  # no relative jump reaches back beyond 0: there the PC wraps, which simavr does not do
SLOTS = 4096  # opcode words a program: each with its operand word and two NOPs to skip to


@dataclass(frozen=True)
class Deviation:
    """Opcode words on which simavr 1.6 is no authority.

    Args:
        patterns: the words, as in the manual's opcode boxes; letters are free bits.
        simavr: what it does.
        manual: what the manual says, and where; ours is tested against this.
        refused: ours must raise; else PC, SP, SREG and cycles must be as simavr's, and only data may differ.
        safe: simavr survives it, so that the tests may run it there.
    """

    patterns: tuple[str, ...]
    simavr: str
    manual: str
    refused: bool = True
    safe: bool = True


EXCEPTIONS = (  # the first that matches holds
    Deviation(
        ("1001 000x xxxx 011x", "1001 0101 1101 1000"),
        "reads a RAMPZ that the part does not have, and crashes",
        "ELPM: only devices with more than 64 KiB of flash",
        safe=False,
    ),
    Deviation(
        ("0000 0000 xxxx xxxx",),
        "runs 0x0001–0x00FF as NOP",
        "NOP, 16-bit opcode: only 0x0000",
    ),
    Deviation(
        ("1111 1xxx xxxx 1xxx",),
        "ignores bit 3 of BLD, BST, SBRC, SBRS",
        "BLD, BST, SBRC, SBRS, 16-bit opcode: bit 3 is 0",
    ),
    Deviation(
        ("1001 000x xxxx 0011", "1001 00xx xxxx 1000", "1001 00xx xxxx 1011", "1001 001x xxxx 0011"),
        "runs the reserved words among LD and ST as NOP",
        "no opcode box has them",
    ),
    Deviation(
        ("1001 001x xxxx 01xx",),
        "runs XCH, LAS, LAC, LAT as NOP",
        "XCH, LAS, LAC, LAT: AVRxm only",
    ),
    Deviation(
        ("1001 010x xxxx 0100", "1001 010x xxxx 1011"),
        "runs the reserved 1001 010x xxxx 0100 and DES as NOP",
        "DES: AVRxm only",
    ),
    Deviation(
        ("1001 010x xxxx 1001",),
        "runs IJMP's and ICALL's reserved neighbours and EIJMP, EICALL as NOP or as jumps",
        "EIJMP, EICALL: only devices with more than 128 KiB of flash",
    ),
    Deviation(
        ("1001 0101 xxxx 1000",),
        "runs the reserved words between RETI and SLEEP, and SPM Z+",
        "no opcode box has them; SPM Z+ is AVRxm and AVRxt",
    ),
    Deviation(
        ("1001 0011 101x 1101", "1001 0011 101x 1110", "1001 0011 110x 1001", "1001 0011 110x 1010",
         "1001 0011 111x 0001", "1001 0011 111x 0010"),
        "stores the pointer's own register as it is before the pointer moves",
        "ST: 'the result of these combinations is undefined': ST X+, r26 and its like",
        refused=False,
    ),
)  # fmt: skip


def deviation_of(word: int, toolbox: Toolbox) -> Deviation | None:
    """The exception that covers a word: a reserved word, or one whose result the manual leaves open."""
    name = toolbox.mnemonic(word)
    for deviation in EXCEPTIONS:
        if deviation.refused != (name is not None) and any(
            toolbox.matches(word, pattern) for pattern in deviation.patterns
        ):
            return deviation
    return None


def program_for(words: list[int], operands: list[int]) -> bytes:
    """Four words for each opcode: itself, what follows it, and two to land on."""
    slots = (slot for pair in zip(words, operands, strict=True) for slot in (*pair, 0, 0))
    return b"".join(word.to_bytes(2, "little") for word in slots)


def assert_same(pair: Pair, toolbox: Toolbox, ours: Ours, start: State, word: int, after: int) -> None:
    """One instruction on both, held to each other or to the exception that covers it."""
    name = toolbox.mnemonic(word)
    deviation = deviation_of(word, toolbox)
    title = f"opcode {word:#06x} {after:#06x} ({name or 'reserved'}) from SREG {start.sreg:#04x}, SP {start.sp:#06x}, registers {start.registers.hex()}"  # fmt: skip # noqa: E501 - one line to copy
    mine, theirs = pair.step(ours, start, oracle_too=deviation is None or deviation.safe)
    if name is None:
        assert mine.crashed, f"{title}: ours ran what the ATmega328P does not have"
        if theirs is not None and deviation is None:
            assert theirs.crashed, f"{title}: simavr runs it; list it in EXCEPTIONS with the manual's word on it"
        return
    assert theirs is not None
    if deviation is not None:
        for field in ("pc", "sp", "sreg", "cycles"):
            assert getattr(mine, field) == getattr(theirs, field), f"{title}: {field}"
        return
    difference = mine.difference(theirs)
    assert not difference, f"{title}:\n{difference}"


@pytest.mark.slow
@pytest.mark.parametrize("block", range(16), ids=lambda block: f"{block:X}xxx")
def test_every_opcode_word(pair: Pair, toolbox: Toolbox, block: int) -> None:
    random = Random(block)
    words = list(range(block * SLOTS, (block + 1) * SLOTS))
    operands = [random.choice([random.randrange(0x100, 0x900), 0x3E, 0x4A, 0x4B, 0x5D, 0x5F, 0x0E]) for _ in words]
    image = program_for(words, operands)
    ours = pair.program(image)
    compared = 0
    for index, (word, after) in enumerate(zip(words, operands, strict=True)):
        start = toolbox.random_state(random).at(8 * index)
        for pointer in (26, 28, 30):
            start = start.with_pointer(pointer, random.randrange(0x101, 0x8C0))
        if not toolbox.is_comparable(word, after, start):
            continue
        assert_same(pair, toolbox, ours, start, word, after)
        if ours.faulted:
            ours = pair.program(image)
        compared += 1
    assert compared > SLOTS // 16, "the sweep skipped nearly everything"


@st.composite
def opcode_words(draw: st.DrawFn, instructions: tuple[tuple[str, str], ...]) -> tuple[int, int]:
    """Some instruction with random operands, and a second word that suits LDS, STS, JMP and CALL."""
    name, pattern = draw(st.sampled_from(instructions))
    free = draw(st.integers(0, 0xFFFF))
    word = int("".join(bit if bit in "01" else str(free >> 15 - at & 1) for at, bit in enumerate(pattern)), 2)
    if name in ("JMP", "CALL"):
        word &= 0xFE0E
        return word, draw(st.integers(0, FLASH_WORDS - 1))
    return word, draw(st.one_of(st.integers(0x100, 0x8FF), st.sampled_from([0x3E, 0x4A, 0x4B, 0x5D, 0x5E, 0x5F, 31])))


@st.composite
def states(draw: st.DrawFn, toolbox: Toolbox) -> State:
    """A state whose SREG, registers and stack pointer shrink; SRAM comes from a drawn seed."""
    state = toolbox.random_state(Random(draw(st.integers(0, 0xFFFFFFFF))))
    state = state.with_registers(draw(st.binary(min_size=32, max_size=32)))
    for pointer in (26, 28, 30):
        if draw(st.booleans()):
            state = state.with_pointer(pointer, draw(st.integers(0x0FE, 0x900)))
    return state.with_status(sreg=draw(st.integers(0, 255)), sp=draw(st.integers(0x102, 0x8FD)))


@settings(REPRODUCIBLE, max_examples=3000)
@pytest.mark.slow
@given(data=st.data())
def test_one_instruction(pair: Pair, toolbox: Toolbox, data: st.DataObject) -> None:
    word, after = data.draw(opcode_words(toolbox.instructions), label="opcode")
    start = data.draw(states(toolbox), label="state")
    if not toolbox.is_comparable(word, after, start):
        return
    image = bytes(CODE_START) + program_for([word], [after])
    assert_same(pair, toolbox, pair.program(image), start.at(CODE_START), word, after)


def without_simavr_skip_error(word: int) -> int:
    """ADIW and SBIW with a low nibble of 12…15 become others: see test_skip_over_adiw."""
    return word & 0xFFFB if word & 0xFE0C == 0x960C else word


@pytest.mark.parametrize("word", [0x960C, 0x960D, 0x968E, 0x97FF])
@pytest.mark.parametrize("skip", [0x1000, 0xFC00, 0xFE01], ids=["CPSE r0,r0", "SBRC r0,0", "SBRS r0,1"])
def test_skip_over_adiw(pair: Pair, toolbox: Toolbox, skip: int, word: int) -> None:
    """simavr takes ADIW and SBIW with a low nibble of 12…15 for two words when it skips them; the manual's opcode
    boxes of ADIW and SBIW have 16 bits, so ours skips one word in two cycles (CPSE, SBRC, SBRS)."""
    image = program_for([skip], [word])
    start = toolbox.random_state(Random(word)).with_registers(bytes((2,)) * 32)
    mine, theirs = pair.step(pair.program(image), start)
    assert (mine.pc, mine.cycles) == (4, 2)
    assert theirs is not None
    assert (theirs.pc, theirs.cycles) == (6, 3), "simavr is right by now: take this exception away"


@pytest.mark.parametrize(
    ("word", "pointer", "loaded"),
    [(0x9151, 30, 30), (0x9159, 28, 28), (0x915D, 26, 26), (0x9152, 31, 30), (0x915A, 29, 28), (0x915E, 27, 26)],
    ids=["LD r21, Z+", "Y+", "X+", "LD r21, -Z", "-Y", "-X"],
)
def test_load_from_the_pointers_own_register(
    pair: Pair, toolbox: Toolbox, word: int, pointer: int, loaded: int
) -> None:
    """Z+ is read before it moves, -Z after it has moved ("(i) Rd ← (Z), Z ← Z+1", "Z ← Z-1, (ii) Rd ← (Z)").

    simavr reads before in both.
    """
    ours = pair.program(word.to_bytes(2, "little") + bytes(4))
    low = pointer & ~1
    ours.put(toolbox.random_state(Random(word)).with_pointer(low, pointer))
    ours.step()
    assert ours.mcu.registers[21] == loaded
    moved = pointer + (1 if loaded == pointer else -1)
    assert ours.mcu.registers[low] == moved


@pytest.mark.parametrize("word", [0x9351, 0x9359, 0x935D], ids=["ST Z+, r21", "Y+", "X+"])
def test_store_to_the_pointers_own_register(pair: Pair, toolbox: Toolbox, word: int) -> None:
    """ "(i) (Z) ← Rr, Z ← Z+1": the moved pointer comes last."""
    image = word.to_bytes(2, "little") + bytes(4)
    low = {1: 30, 9: 28, 13: 26}[word & 15]
    for pointer in (low, low + 1):
        start = toolbox.random_state(Random(word)).with_pointer(low, pointer)
        mine, theirs = pair.step(pair.program(image), start)
        assert mine.pointer(low) == pointer + 1
        assert theirs is not None
        assert not mine.difference(theirs)


NOT_IN_PROGRAMS = ("SLEEP",)  # it would wait for what never comes


@settings(REPRODUCIBLE, max_examples=400)
@pytest.mark.slow
@given(data=st.data())
def test_short_programs(pair: Pair, toolbox: Toolbox, data: st.DataObject) -> None:
    """Step by step as simavr, and then in one go (with fused pairs, under one horizon) to the same end."""
    usual = tuple(entry for entry in toolbox.instructions if entry[0] not in NOT_IN_PROGRAMS)
    chosen = data.draw(st.lists(opcode_words(usual), min_size=4, max_size=40), label="program")
    words: list[int] = []
    for word, after in chosen:
        words.append(word)
        if toolbox.is_two_words(word):
            words.append(after)
    words = [without_simavr_skip_error(word) for word in words] + [0] * 8
    image = bytes(CODE_START) + b"".join(word.to_bytes(2, "little") for word in words)
    start = data.draw(states(toolbox), label="state").at(CODE_START)
    stepped, whole = pair.program(image), pair.program(image)
    stepped.put(start)
    whole.put(start)
    pair.simavr.put(start)
    state = start
    for step in range(120):
        at = (state.pc - CODE_START) // 2
        if not 0 <= at < len(words) - 2 or not 0x110 < state.sp < 0x8F0:
            break
        word, after = words[at], words[at + 1]
        open_result = deviation_of(word, toolbox) is not None
        if open_result or toolbox.mnemonic(word) is None or not toolbox.is_comparable(word, after, state):
            break
        stepped.step()
        pair.simavr.step()
        state, theirs = stepped.get(), pair.simavr.get()
        difference = state.difference(theirs)
        note(f"{step}: {2 * at:#06x} {word:#06x} {toolbox.mnemonic(word)}")
        assert not difference, f"after step {step}, {toolbox.mnemonic(word)} at {2 * at:#06x}:\n{difference}"
    if state.cycles:
        whole.mcu.run(state.cycles)
        difference = whole.get().difference(state)
        assert not difference, f"in one go and step by step differ:\n{difference}"


REGISTER_ONLY = frozenset(
    {"ADD", "ADC", "SUB", "SBC", "SUBI", "SBCI", "CP", "CPC", "CPI", "LDI", "MOVW", "MOV", "EOR", "LSR", "ROR", "DEC",
     "SBIW", "ADIW", "BRBS", "BRBC", "SBRC", "SBRS", "RJMP", "INC", "MUL", "COM", "NEG"}
)  # fmt: skip


@settings(REPRODUCIBLE, max_examples=600)
@pytest.mark.slow
@given(data=st.data())
def test_arithmetic_programs(pair: Pair, toolbox: Toolbox, data: st.DataObject) -> None:
    """Straight lines of register instructions, where nearly every pair that the core fuses occurs."""
    register_only = tuple(entry for entry in toolbox.instructions if entry[0] in REGISTER_ONLY)
    words = [word for word, _ in data.draw(st.lists(opcode_words(register_only), min_size=2, max_size=60))]
    for at, word in enumerate(words):  # branches go forward by up to three words: no loop without end
        if word & 0xF800 == 0xF000:
            words[at] = word & 0xFC07 | (word >> 3 & 3) << 3
        elif word & 0xF000 == 0xC000:
            words[at] = 0xC000 | word & 3
        words[at] = without_simavr_skip_error(words[at])
    image = b"".join(word.to_bytes(2, "little") for word in words + [0] * 8)
    start = data.draw(states(toolbox), label="state")
    ours = pair.program(image)
    ours.put(start)
    pair.simavr.put(start)
    theirs = start
    while theirs.pc < 2 * len(words):
        pair.simavr.step()
        theirs = pair.simavr.get()
    if theirs.cycles:
        ours.mcu.run(theirs.cycles)
    difference = ours.get().difference(theirs)
    assert not difference, difference
