"""Every sequence that the core runs as one (handlers.def): as its instructions one by one, wherever the horizon lies.

Single steps are held to simavr in test_instructions.py; here each sequence is held to single steps, and to simavr
where simavr has what it touches. Pointers also lead to I/O registers and out of the SRAM, so that sequences are left
in the middle.
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim import avr
from plantkeeper_sim.errors import McuFault

if TYPE_CHECKING:
    from tests.oracle.conftest import Ours, Pair, State, Toolbox

pytestmark = pytest.mark.oracle

HANDLERS = Path(avr.__file__).with_name("core") / "handlers.def"
TRIALS = 6
NAMES = {  # handlers.def's names of what the manual's opcode boxes call otherwise
    **{f"LD{p}P": f"LD{p}+" for p in "XYZ"}, **{f"LD{p}M": f"LD-{p}" for p in "XYZ"},
    **{f"ST{p}P": f"ST{p}+" for p in "XYZ"}, **{f"ST{p}M": f"ST-{p}" for p in "XYZ"},
    "LPMP": "LPMZ+",
}  # fmt: skip
BRANCHES = {"BRCS": 0xF000, "BREQ": 0xF001, "BRLT": 0xF004, "BRCC": 0xF400, "BRNE": 0xF401, "BRGE": 0xF404}
TWO_WORDS = ("LDS", "STS")
POINTERS = (0x3E, 0x3D, 0x4A, 0x5E, 0x5F, 0x46, 0x84, 0x24, 0xBF, 0x8FF, 0x8FE, 0x900, 0xFF, *range(0x1A, 0x20))
STORAGE = tuple(pointer for pointer in POINTERS if pointer >= 0x20)  # simavr writes X, Y, Z back after any LD and ST


def sequences() -> list[tuple[str, ...]]:
    """The fused sequences in their order."""
    text = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", HANDLERS.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [tuple(re.split(r",\s*", names)) for names in re.findall(r"\b[FBWJ]\d\(([^)]*)\)", text)]


def encode(name: str, patterns: dict[str, str], random: Random) -> list[int]:
    """An instruction with random operands; branches and jumps go two words on."""
    if name in BRANCHES:
        return [BRANCHES[name] | 2 << 3]
    if name == "RJMP":
        return [0xC002]
    pattern = patterns[NAMES.get(name, name)]
    word = int("".join(bit if bit in "01" else str(random.randrange(2)) for bit in pattern), 2)
    return [word, random.choice((random.randrange(0x100, 0x900), *POINTERS))] if name in TWO_WORDS else [word]


def start_state(toolbox: Toolbox, random: Random, pointers: tuple[int, ...]) -> State:
    state = toolbox.random_state(random)
    for pair in (26, 28, 30):
        state = state.with_pointer(pair, random.choice((random.randrange(0x110, 0x8F0), *pointers)))
    return state.with_status(sreg=random.randrange(128), sp=random.randrange(0x108, 0x8F8))


def outcome(ours: Ours, raised: str = "") -> tuple[object, ...]:
    """All that can be seen of a machine, and what it raised."""
    return ours.get(), ours.mcu.read_data(0x20, 0xE0), raised


def run_to(ours: Ours, cycles: int) -> tuple[object, ...]:
    """Run up to a cycle in one go."""
    try:
        ours.mcu.run(cycles)
    except McuFault as error:
        return outcome(ours, str(error))
    return outcome(ours)


def test_no_sequence_hides_a_longer_one() -> None:
    found = sequences()
    assert len(found) > 100
    hidden = [
        (first, later) for at, first in enumerate(found) for later in found[at + 1 :] if later[: len(first)] == first
    ]
    assert hidden == []


@pytest.mark.slow
@pytest.mark.parametrize("sequence", sequences(), ids=" ".join)
def test_as_its_instructions_one_by_one(pair: Pair, toolbox: Toolbox, sequence: tuple[str, ...]) -> None:
    random = Random(" ".join(sequence))
    patterns = dict(toolbox.instructions)
    for _ in range(TRIALS):
        code = [word for name in sequence for word in encode(name, patterns, random)]
        image = b"".join(word.to_bytes(2, "little") for word in (*code, *[0] * 8))
        start = start_state(toolbox, random, POINTERS)
        ours = pair.program(image)
        ours.put(start)
        fresh = ours.mcu.snapshot()  # an access to I/O leaves peripherals changed
        longest = 4 * len(sequence) + 3
        single = run_to(ours, 0)
        for horizon in range(1, longest):
            if ours.mcu.cycles < horizon and not single[2]:
                single = run_to(ours, ours.mcu.cycles + 1)
            stepped = ours.mcu.snapshot()
            ours.mcu.restore(fresh)
            whole = run_to(ours, horizon)
            ours.mcu.restore(stepped)
            assert whole == single, f"{[f'{word:04x}' for word in code]} up to cycle {horizon} from {start}"


@pytest.mark.slow
@pytest.mark.parametrize("sequence", sequences(), ids=" ".join)
def test_as_simavr(pair: Pair, toolbox: Toolbox, sequence: tuple[str, ...]) -> None:
    """The whole sequence in one go, and simavr step by step, over plain storage."""
    random = Random(" ".join(("simavr", *sequence)))
    patterns = dict(toolbox.instructions)
    compared = 0
    for _ in range(20 * TRIALS):
        code = [word for name in sequence for word in encode(name, patterns, random)]
        code = [word & 0xFFFB if word & 0xFE0C == 0x960C else word for word in code]  # see test_skip_over_adiw
        words = (*code, *[0] * 8)
        image = b"".join(word.to_bytes(2, "little") for word in words)
        start = state = start_state(toolbox, random, STORAGE)
        ours = pair.program(image)
        pair.simavr.put(start)
        for _step in sequence:
            at = state.pc // 2
            plain = toolbox.is_comparable(words[at], words[at + 1], state)
            if not plain:  # simavr would not survive all of it
                break
            pair.simavr.step()
            state = pair.simavr.get()
        # ST X+, r26 and its like are open (test_instructions.EXCEPTIONS)
        if not plain or any(_moves_itself(word) for word in code):
            continue
        ours.put(start)
        ours.mcu.run(state.cycles)
        difference = ours.get().difference(state)
        assert not difference, f"{[f'{word:04x}' for word in code]} from {start}:\n{difference}"
        compared += 1
        if compared == TRIALS:
            break
    assert compared >= 3


def _moves_itself(word: int) -> bool:
    """A load or store of its own pointer's register, which moves."""
    if word & 0xFC00 != 0x9000 or word & 15 in (0, 4, 12, 15):
        return False
    register = word >> 4 & 31
    pair = {0: 30, 8: 28, 12: 26}.get(word & 12, 30)
    return register & 30 == pair
