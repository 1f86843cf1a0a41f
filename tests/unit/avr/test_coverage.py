"""Which instructions ran, told without changing what they do or how long they take."""

from __future__ import annotations

import pytest

from plantkeeper_sim.avr import Firmware, Mcu

# 0: ldi r16, 3   1: dec r16   2: brne 1   3: sbrc r16, 0   4: rjmp 6   5: nop   6: rjmp .   7: nop
PROGRAM = Firmware.from_words([0xE003, 0x950A, 0xF7F1, 0xFD00, 0xC001, 0x0000, 0xCFFF, 0x0000])


@pytest.mark.parametrize("slice_cycles", [1000, 7, 1])
def test_what_ran_is_told_and_nothing_else(slice_cycles: int) -> None:
    mcu = Mcu(PROGRAM)
    assert len(mcu.covered) == 16_384  # without being asked to, it keeps no account
    mcu.cover()
    assert mcu.covered == frozenset()
    for until in range(slice_cycles, 40 + slice_cycles, slice_cycles):
        mcu.run(until_cycles=until)
    assert mcu.covered == {0, 2, 4, 6, 10, 12}


def test_a_run_is_the_same_cycle_for_cycle() -> None:
    plain, covering = Mcu(PROGRAM), Mcu(PROGRAM)
    covering.cover()
    for until in range(1, 60):
        plain.run(until_cycles=until)
        covering.run(until_cycles=until)
        assert (plain.cycles, plain.pc, plain.sreg, plain.registers) == (
            covering.cycles, covering.pc, covering.sreg, covering.registers,
        )  # fmt: skip
