"""Pages that a program fills, erases and writes: the same flash as simavr's.

simavr 1.6 writes over what is there, and words that nobody loaded as zeros; so pages are loaded whole and erased
before they are written. Times, sections and lock bits are in tests/unit/avr/test_spm.py.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.oracle.conftest import Pair, Toolbox

pytestmark = pytest.mark.oracle

PAGE, PAGES, BOOT = 128, 256, 0x7E00
SPMEN, PGERS, PGWRT = 1, 2, 4
PROGRAM = (0xBF47, 0x95E8, 0xCFFF)  # out SPMCSR, r20; spm; here: rjmp here
BUSY_CYCLES = 72_000


def commands(random: Random) -> list[tuple[int, int, int]]:
    """(SPMCSR, Z, word): fills in any order, an erase among them, then a write; never the program's page."""
    base = PAGE * random.randrange(PAGES - 4)
    offsets = random.sample(range(0, PAGE, 2), PAGE // 2)
    fills = [(SPMEN, base + offset + random.randrange(2), random.randrange(0x10000)) for offset in offsets]
    erase = (SPMEN | PGERS, base, 0)
    fills.insert(random.randrange(len(fills) + 1), erase)
    return [*fills, (SPMEN | PGWRT, base, 0)]


@pytest.mark.parametrize("seed", range(12))
def test_the_same_pages(pair: Pair, toolbox: Toolbox, seed: int) -> None:
    random = Random(seed)
    image = bytearray(random.randbytes(PAGE * PAGES))
    image[BOOT : BOOT + 2 * len(PROGRAM)] = b"".join(word.to_bytes(2, "little") for word in PROGRAM)
    ours, simavr = pair.program(bytes(image)), pair.simavr
    for spmcsr, z, word in (command for _ in range(4) for command in commands(random)):
        registers = bytearray(random.randbytes(32))
        registers[0:2], registers[30:32] = word.to_bytes(2, "little"), z.to_bytes(2, "little")
        registers[20] = spmcsr
        start = toolbox.random_state(random).with_registers(bytes(registers)).at(BOOT).with_status(sreg=0, sp=0x8FF)
        for machine in (ours, simavr):
            machine.put(start)
            machine.step()
            machine.step()
        ours.mcu.run(ours.mcu.cycles + BUSY_CYCLES)
    assert ours.mcu.flash == simavr.flash, f"seed {seed}"
