"""Ports, external and pin-change interrupts (datasheet chapters 13, 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
SLED = "nops 400\n    .word 0xFFFF"


def test_output_levels_at_their_cycles(lab: MakeLab) -> None:
    """OUT changes the wire at the end of its cycle, SBI and CBI at the end of their second."""
    rig = lab("""
    main:
        outi DDRB, 0x3F
    start:
        sbi PORTB, 2
        cbi PORTB, 2
        sbi PINB, 2
        nops 4
    """)
    seen: list[tuple[int, bool]] = []
    pin = rig.mcu.pin("PB2")
    pin.watch(lambda level, cycles: seen.append((cycles, level)))
    start = rig.to("start")
    rig.go(8)
    assert seen == [(start + 2, True), (start + 4, False), (start + 6, True)]
    assert pin.is_output
    assert pin.level


def test_reading_back_needs_a_nop(lab: MakeLab) -> None:
    """Figure 14-4: the synchroniser delays a pin by one cycle."""
    rig = lab("""
    main:
        outi DDRD, 0xFF
        ldi r16, 0xA5
        out PORTD, r16
        in r17, PIND
        in r18, PIND
    done:
        nop
    """)
    rig.to("done")
    assert (rig[17], rig[18]) == (0, 0xA5)


def test_pull_up_and_driver(lab: MakeLab) -> None:
    """Table 14-1: input with pull-up, MCUCR.PUD, and what drives from outside."""
    rig = lab("""
    main:
        sbi PORTC, 1
        nops 2
    up:
        outi MCUCR, 0x10
        nops 2
    disabled:
        nop
    """)
    pin = rig.mcu.pin("PC1")
    levels = [pin.level]
    rig.to("up")
    levels.append(pin.level)
    for driven in (False, None):
        pin.drive(driven)
        levels.append(pin.level)
    rig.to("disabled")
    levels.append(pin.level)
    pin.drive(True)
    levels.append(pin.level)
    assert levels == [False, True, False, True, False, True]


def test_digital_input_disable(lab: MakeLab) -> None:
    """24.9.5: with DIDR0's bit set, PINC reads zero whatever the wire has."""
    rig = lab("""
    main:
        stsi DIDR0, 0x04
        in r17, PINC
    done:
        nop
    """)
    for name in ("PC2", "PC3"):
        rig.mcu.pin(name).drive(True)
    rig.go(2)
    rig.to("done")
    assert rig[17] == 0x08


def test_set_bit_in_a_flag_register_clears_that_flag_only(lab: MakeLab) -> None:
    """Note on SBI in chapter 36: it works on one bit only, also in EIFR."""
    rig = lab("""
    main:
        stsi EICRA, 0x0F
        nops 20
    clear:
        sbi EIFR, 0
        in r17, EIFR
    done:
        nop
    """)
    rig.go(8)
    rig.mcu.pin("PD2").drive(True)
    rig.mcu.pin("PD3").drive(True)
    rig.to("done")
    assert rig[17] == 2


@pytest.mark.parametrize(("number", "name"), [(0, "PD2"), (1, "PD3")])
@pytest.mark.parametrize(
    ("sense", "fires"), [(1, (True, True)), (2, (False, True)), (3, (True, False))], ids=["any", "falling", "rising"]
)
def test_external_interrupt_edges(lab: MakeLab, number: int, name: str, sense: int, fires: tuple[bool, bool]) -> None:
    """Table 13-1; the vector begins INTERRUPT_RESPONSE after the edge."""
    rig = lab(
        f"""
    main:
        stsi EICRA, {sense << 2 * number}
        outi EIMSK, {1 << number}
        sei
    ready:
        {SLED}
    isr:
        inc r20
        reti
    """,
        {f"INT{number}": "isr"},
    )
    pin = rig.mcu.pin(name)
    rig.to("ready")
    rig.go(5)
    served = 0
    for level, fire in zip((True, False), fires, strict=True):
        at = rig.cycles
        pin.drive(level)
        if fire:
            assert rig.to(f"INT{number}") == at + RESPONSE
            served += 1
        rig.go(30)
        assert rig[20] == served


def test_level_interrupt_repeats_while_low(lab: MakeLab) -> None:
    """13.2.1: a low level asks as long as it lasts; one instruction of the main program runs in between (7.7.1)."""
    rig = lab(
        f"""
    main:
        sbi PORTD, 2
        outi EIMSK, 1
        sei
    ready:
        {SLED}
    isr:
        reti
    """,
        {"INT0": "isr"},
    )
    rig.to("ready")
    rig.mcu.pin("PD2").drive(False)
    first = rig.to("INT0")
    rig.go(1)
    assert rig.to("INT0") - first == 3 + 4 + 1 + RESPONSE  # JMP, RETI, one NOP
    rig.mcu.pin("PD2").drive(True)
    rig.go(20)
    with pytest.raises(AssertionError, match="not reached"):
        rig.to("INT0", within=100)


@pytest.mark.parametrize(("vector", "mask", "pin"), [("PCINT0", 0, "PB4"), ("PCINT1", 1, "PC4"), ("PCINT2", 2, "PD4")])
def test_pin_change_interrupt(lab: MakeLab, vector: str, mask: int, pin: str) -> None:
    """13.2.4: any change of an enabled pin; a masked pin does not ask."""
    rig = lab(
        f"""
    main:
        stsi PCICR, {1 << mask}
        stsi PCMSK{mask}, 0x10
        sei
    ready:
        {SLED}
    isr:
        inc r20
        reti
    """,
        {vector: "isr"},
    )
    rig.to("ready")
    rig.go(3)
    rig.mcu.pin(pin[:2] + "5").drive(True)
    rig.go(20)
    assert rig[20] == 0
    for level in (True, False):
        at = rig.cycles
        rig.mcu.pin(pin).drive(level)
        assert rig.to(vector) == at + RESPONSE
        rig.go(20)
    assert rig[20] == 2


def test_interrupt_waits_for_the_instruction_and_for_one_after_sei(lab: MakeLab) -> None:
    """7.7.1: multi-cycle instructions complete first; the instruction after SEI runs before any interrupt."""
    rig = lab(
        """
    main:
        stsi EICRA, 3
        outi EIMSK, 1
        nops 20
    wait:
        sei
        push r0
        nops 5
        .word 0xFFFF
    isr:
        nop
    """,
        {"INT0": "isr"},
    )
    rig.go(5)
    rig.mcu.pin("PD2").drive(True)
    at = rig.to("wait")
    assert rig.to("INT0") == at + 1 + 2 + RESPONSE


def test_lower_vector_first(lab: MakeLab) -> None:
    """12.4: the lower address has the higher priority."""
    rig = lab(
        """
    main:
        stsi EICRA, 0x0F
        outi EIMSK, 3
        nops 10
        sei
        nops 30
    one:
        inc r20
        mov r21, r20
        reti
    two:
        inc r20
        mov r22, r20
        reti
    """,
        {"INT0": "one", "INT1": "two"},
    )
    rig.go(6)
    rig.mcu.pin("PD3").drive(True)
    rig.mcu.pin("PD2").drive(True)
    rig.go(50)
    assert (rig[21], rig[22]) == (1, 2)


@pytest.mark.parametrize("name", ["PA0", "PB8", "PC7", "B0", ""])
def test_no_such_pin(lab: MakeLab, name: str) -> None:
    rig = lab("main: nop")
    with pytest.raises(ValueError, match="PB0…PB7, PC0…PC6, PD0…PD7"):
        rig.mcu.pin(name)
