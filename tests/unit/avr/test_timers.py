"""Timers 0, 1, 2 (datasheet chapters 15, 16, 18): each flag and interrupt on its cycle.

In all programs interrupts find one-cycle NOPs, so that a vector begins exactly INTERRUPT_RESPONSE cycles after its
flag is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Lab, MakeLab

RESPONSE = 4
SLED = "nops 3000\n    .word 0xFFFF"
PRESCALERS = {1: 1, 2: 8, 3: 64, 4: 256, 5: 1024}
PRESCALERS_2 = {1: 1, 2: 8, 3: 32, 4: 64, 5: 128, 6: 256, 7: 1024}


def test_counter_reads_as_on_the_chip(lab: MakeLab) -> None:
    """OUT TCNT0, 0x30; NOP; IN TCNT0 gives 0x31: a write takes effect at its end, a read sees its own cycle."""
    rig = lab("""
    main:
        outi TCCR0B, 1
        outi TCNT0, 0x30
        nop
        in r17, TCNT0
        stsi TCCR2B, 1
        nop
        lds r18, TCNT2
    done:
        nop
    """)
    rig.to("done")
    assert rig[17] == 0x31
    assert rig[18] == 2


@pytest.mark.parametrize(("select", "divisor"), PRESCALERS.items())
def test_overflow_interrupt_timer0(lab: MakeLab, select: int, divisor: int) -> None:
    """15.9: TOV0 on the tick that wraps 0xFF to 0; the prescaler counts from reset (17.2.1)."""
    rig = lab(
        f"""
    main:
        stsi TIMSK0, 1
        outi TCNT0, 0xFE
        outi TCCR0B, {select}
        sei
    started:
        {SLED}
    isr:
        nop
    """,
        {"TIMER0_OVF": "isr"},
    )
    started = rig.to("started") - 1  # the cycle at which TCCR0B took effect: one SEI before
    first_tick = started // divisor * divisor + divisor
    assert rig.to("TIMER0_OVF") == first_tick + divisor + RESPONSE


@pytest.mark.parametrize(("select", "divisor"), PRESCALERS_2.items())
def test_overflow_interrupt_timer2(lab: MakeLab, select: int, divisor: int) -> None:
    """18.11.2: Timer 2 has prescalers of its own."""
    rig = lab(
        f"""
    main:
        stsi TIMSK2, 1
        stsi TCNT2, 0xFE
        stsi TCCR2B, {select}
        sei
    started:
        {SLED}
    isr:
        nop
    """,
        {"TIMER2_OVF": "isr"},
    )
    started = rig.to("started") - 1
    first_tick = started // divisor * divisor + divisor
    assert rig.to("TIMER2_OVF") == first_tick + divisor + RESPONSE


@pytest.mark.parametrize("vector", ["COMPA", "COMPB"])
def test_compare_match_in_normal_mode(lab: MakeLab, vector: str) -> None:
    """Figure 15-10: OCF0x on the tick after the counter equals OCR0x."""
    rig = lab(
        f"""
    main:
        stsi TIMSK0, {2 if vector == "COMPA" else 4}
        outi OCR0{vector[-1]}, 100
        outi TCCR0B, 1
        sei
    started:
        {SLED}
    isr:
        nop
    """,
        {f"TIMER0_{vector}": "isr"},
    )
    start = rig.to("started") - 1
    assert rig.to(f"TIMER0_{vector}") == start + 100 + 1 + RESPONSE


def test_ctc_period_timer0(lab: MakeLab) -> None:
    """15.7.2: period OCR0A + 1, flag on the tick that goes to BOTTOM (figure 15-11)."""
    rig = lab(
        f"""
    main:
        stsi TIMSK0, 2
        outi OCR0A, 99
        outi TCCR0A, 2
        outi TCCR0B, 1
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"TIMER0_COMPA": "isr"},
    )
    start = rig.to("started") - 1
    for period in range(1, 5):
        assert rig.to("TIMER0_COMPA") == start + 100 * period + RESPONSE
        rig.go(1)


@pytest.mark.parametrize(
    ("mode", "top"),
    [("12", "ICR1"), ("4", "OCR1A")],
    ids=["ICR1", "OCR1A"],
)
def test_ctc_timer1(lab: MakeLab, mode: str, top: str) -> None:
    """16.9.2, and 16.3: the high byte goes first."""
    rig = lab(
        f"""
    main:
        stsi TIMSK1, {0x20 if top == "ICR1" else 2}
        stsi TCCR1B, {0x18 if mode == "12" else 8}
        stsi {top}H, 0x01
        stsi {top}L, 0x2B
        stsi TCCR1B, {0x19 if mode == "12" else 9}
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"TIMER1_CAPT" if top == "ICR1" else "TIMER1_COMPA": "isr"},
    )
    start = rig.to("started") - 1
    vector = "TIMER1_CAPT" if top == "ICR1" else "TIMER1_COMPA"
    assert rig.to(vector) == start + 300 + RESPONSE
    rig.go(1)
    assert rig.to(vector) == start + 600 + RESPONSE


def test_fast_pwm_overflow_timer1(lab: MakeLab) -> None:
    """Mode 14, figure 16-12: TOV1 on the tick to BOTTOM; OCR1A is double-buffered until then (16.7)."""
    rig = lab(
        f"""
    main:
        stsi TIMSK1, 1
        stsi TCCR1A, 2
        stsi TCCR1B, 0x18
        stsi ICR1H, 0
        stsi ICR1L, 199
        stsi TCCR1B, 0x19
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"TIMER1_OVF": "isr"},
    )
    start = rig.to("started") - 1
    for period in range(1, 4):
        assert rig.to("TIMER1_OVF") == start + 200 * period + RESPONSE
        rig.go(1)


def test_phase_correct_overflow_timer2(lab: MakeLab) -> None:
    """18.7.4: up to TOP, down to BOTTOM; TOV2 at BOTTOM, period 510."""
    rig = lab(
        f"""
    main:
        stsi TIMSK2, 1
        stsi TCCR2A, 1
        stsi TCCR2B, 1
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"TIMER2_OVF": "isr"},
    )
    start = rig.to("started") - 1
    assert rig.to("TIMER2_OVF") == start + 510 + RESPONSE
    rig.go(1)
    assert rig.to("TIMER2_OVF") == start + 1020 + RESPONSE


def test_phase_and_frequency_correct_timer1(lab: MakeLab) -> None:
    """Mode 8, figure 16-9: ICF1 at TOP, TOV1 at BOTTOM."""
    rig = lab(
        f"""
    main:
        stsi TIMSK1, 0x21
        stsi TCCR1B, 0x10
        stsi ICR1H, 0
        stsi ICR1L, 150
        stsi TCCR1B, 0x11
        sei
    started:
        {SLED}
    top:
        reti
    bottom:
        reti
    """,
        {"TIMER1_CAPT": "top", "TIMER1_OVF": "bottom"},
    )
    start = rig.to("started") - 1
    assert rig.to("TIMER1_CAPT") == start + 151 + RESPONSE
    assert rig.to("TIMER1_OVF") == start + 300 + RESPONSE


def edges(lab: MakeLab, pin: str, source: str, run: int) -> tuple[int, list[tuple[int, bool]]]:
    """(cycle at which the timer started, [(cycle after that, level)]) of an output compare pin."""
    rig = lab(source)
    seen: list[tuple[int, bool]] = []
    rig.mcu.pin(pin).watch(lambda level, cycles: seen.append((cycles, level)))
    start = rig.to("started")
    seen.clear()
    rig.go(run)
    return start, [(cycles - start, level) for cycles, level in seen]


FOREVER = "started:\n    .rept 2000\n    nop\n    .endr\n    .word 0xFFFF"


def test_toggle_on_compare_in_ctc(lab: MakeLab) -> None:
    """COM0A = 1 (table 15-2): OC0A (PD6) toggles each period."""
    _, seen = edges(lab, "PD6", f"""
    main:
        sbi DDRD, 6
        outi OCR0A, 49
        outi TCCR0A, 0x42
        outi TCCR0B, 1
    {FOREVER}
    """, 220)  # fmt: skip
    assert seen == [(50, True), (100, False), (150, True), (200, False)]


def test_fast_pwm_duty(lab: MakeLab) -> None:
    """COM2B = 2 (table 18-6): OC2B (PD3) high from BOTTOM to the tick after OCR2B."""
    _, seen = edges(lab, "PD3", f"""
    main:
        sbi DDRD, 3
        stsi OCR2B, 63
        stsi TCCR2A, 0x23
        stsi TCCR2B, 1
    {FOREVER}
    """, 840)  # fmt: skip
    assert seen == [(256, True), (256 + 64, False), (512, True), (512 + 64, False), (768, True), (768 + 64, False)]


@pytest.mark.parametrize(("ocr", "level"), [(0, False), (255, True)])
def test_phase_correct_extremes_are_constant(lab: MakeLab, ocr: int, level: bool) -> None:
    """15.7.4: OCR0B = BOTTOM is constantly low, OCR0B = MAX constantly high (non-inverted)."""
    _, seen = edges(lab, "PD5", f"""
    main:
        sbi DDRD, 5
        outi OCR0B, {ocr}
        outi TCCR0A, 0x21
        outi TCCR0B, 1
    {FOREVER}
    """, 1900)  # fmt: skip
    assert seen == ([(255 + 1, True)] if level else [])


def test_phase_correct_is_symmetric_about_top(lab: MakeLab) -> None:
    """Figure 15-7: cleared on the match going up, set on the match going down."""
    _, seen = edges(lab, "PD5", f"""
    main:
        sbi DDRD, 5
        outi OCR0B, 100
        outi TCCR0A, 0x21
        outi TCCR0B, 1
    {FOREVER}
    """, 1500)  # fmt: skip
    assert seen[:3] == [(411, True), (611, False), (921, True)]


def test_fast_pwm_at_top_has_no_glitch(lab: MakeLab) -> None:
    """15.7.3: OCR0A = MAX gives a constantly high output."""
    _, seen = edges(lab, "PD6", f"""
    main:
        sbi DDRD, 6
        outi OCR0A, 255
        outi TCCR0A, 0x83
        outi TCCR0B, 1
    {FOREVER}
    """, 1500)  # fmt: skip
    assert seen == [(256, True)]


def test_compare_is_blocked_after_a_write_to_the_counter(lab: MakeLab) -> None:
    """A write to TCNT0 blocks the compare match of the next timer clock (15.6.2)."""
    rig = lab("""
    main:
        outi OCR0A, 0x40
        outi TCCR0B, 1
        outi TIFR0, 7
        outi TCNT0, 0x40
        nops 4
        in r17, TIFR0
        outi TCNT0, 0x3F
        nops 4
        in r18, TIFR0
    done:
        nop
    """)
    rig.to("done")
    assert (rig[17] & 2, rig[18] & 2) == (0, 2)


def test_double_buffered_compare_register(lab: MakeLab) -> None:
    """15.6: in fast PWM OCR0A takes its new value at BOTTOM; reading gives the buffer."""
    rig = lab(
        f"""
    main:
        stsi TIMSK0, 2
        outi TCCR0A, 3
        outi OCR0A, 200
        outi TCCR0B, 1
        sei
    started:
        {SLED}
    isr:
        outi OCR0A, 50
        in r17, OCR0A
        reti
    """,
        {"TIMER0_COMPA": "isr"},
    )
    start = rig.to("started") - 1
    # the buffer of 200 waits for BOTTOM: OCR0A is still 0; after SEI one NOP goes first
    assert rig.to("TIMER0_COMPA") == start + 2 + RESPONSE
    rig.go(1)
    assert rig.to("TIMER0_COMPA") == start + 256 + 51 + RESPONSE
    assert rig[17] == 50


def test_prescaler_reset(lab: MakeLab) -> None:
    """17.4.1: PSRSYNC restarts the prescaler of Timers 0 and 1, so that the first tick comes a whole period later."""
    rig = lab(
        f"""
    main:
        stsi TIMSK0, 1
        outi TCNT0, 0xFF
        outi TCCR0B, 3
        outi GTCCR, 1
        sei
    started:
        {SLED}
    isr:
        nop
    """,
        {"TIMER0_OVF": "isr"},
    )
    reset = rig.to("started") - 1
    assert rig.to("TIMER0_OVF") == reset + 64 + RESPONSE


@pytest.mark.parametrize(("select", "edge"), [(7, True), (6, False)])
def test_external_clock(lab: MakeLab, select: int, edge: bool) -> None:
    """Table 15-9: T0 (PD4) clocks on the chosen edge."""
    rig = lab(f"""
    main:
        outi TCCR0B, {select}
    loop:
        in r17, TCNT0
        rjmp loop
    """)
    t0 = rig.mcu.pin("PD4")
    t0.drive(not edge)
    rig.go(50)
    for pulse in range(1, 4):
        t0.drive(edge)
        rig.go(50)
        assert rig[17] == pulse
        t0.drive(not edge)
        rig.go(50)
        assert rig[17] == pulse


def test_input_capture(lab: MakeLab) -> None:
    """16.6: ICR1 takes TCNT1 on the chosen edge of ICP1 (PB0)."""
    rig = lab(
        f"""
    main:
        stsi TIMSK1, 0x20
        stsi TCCR1B, 0x41
        sei
    started:
        {SLED}
    isr:
        lds r24, ICR1L
        lds r25, ICR1H
    done:
        nop
    """,
        {"TIMER1_CAPT": "isr"},
    )
    start = rig.to("started") - 1
    rig.go(700)
    at = rig.cycles
    rig.mcu.pin("PB0").drive(True)
    assert rig.to("TIMER1_CAPT") == at + RESPONSE
    rig.to("done")
    assert rig[24] | rig[25] << 8 == at - start


def test_sixteen_bit_access_is_one_reading(lab: MakeLab) -> None:
    """16.3: the low byte latches the high byte, even when the counter wraps in between."""
    rig = lab("""
    main:
        stsi TCNT1H, 0x12
        stsi TCNT1L, 0xFE
        stsi TCCR1B, 1
        lds r24, TCNT1L
        lds r25, TCNT1H
    done:
        nop
    """)
    rig.to("done")
    assert rig[24] | rig[25] << 8 == 0x12FF


def test_halted_by_the_power_reduction_register(lab: MakeLab) -> None:
    """10.10: PRTIM0 stops Timer 0; it goes on where it was."""
    rig = lab("""
    main:
        outi TCCR0B, 1
        stsi PRR, 0x20
        in r17, TCNT0
        nops 50
        in r18, TCNT0
        stsi PRR, 0
        nops 10
        in r19, TCNT0
    done:
        nop
    """)
    rig.to("done")
    assert rig[17] == rig[18]
    assert rig[19] == rig[18] + 10


def test_long_absence_changes_nothing(lab: MakeLab) -> None:
    """The counter is not ticked one by one: a look after a million cycles equals looks in between."""
    source = """
    main:
        stsi TCCR1A, 1
        stsi TCCR1B, 1
        stsi OCR1AH, 0
        stsi OCR1AL, 77
    wait:
        rjmp wait
    read:
        lds r24, TCNT1L
        lds r25, TCNT1H
    done:
        nop
    """
    often, seldom = lab(source), lab(source)
    for _ in range(1000):
        often.go(997)
        counter(often)
        often.mcu.pc = often.address("wait")
    while seldom.cycles < often.cycles:
        seldom.go(often.cycles - seldom.cycles)
    often.go(seldom.cycles - often.cycles)
    assert often.cycles == seldom.cycles
    assert counter(often) == counter(seldom)


def counter(rig: Lab) -> int:
    """TCNT1, read by the program."""
    rig.mcu.pc = rig.address("read")
    rig.to("done")
    return rig[24] | rig[25] << 8


@pytest.mark.parametrize("divisor", [1, 8])
def test_flags_do_not_move_by_polling(lab: MakeLab, divisor: int) -> None:
    """Looking at a timer (which brings it up to date) leaves its interrupts where they are."""
    body = """
    main:
        stsi TIMSK0, 2
        outi OCR0A, 99
        outi TCCR0A, 2
        outi TCCR0B, {select}
        sei
    loop:
        {look}
        rjmp loop
    isr:
        reti
    """
    select = {1: 1, 8: 2}[divisor]
    blind = lab(body.format(select=select, look="nop"), {"TIMER0_COMPA": "isr"})
    looking = lab(body.format(select=select, look="in r17, TCNT0"), {"TIMER0_COMPA": "isr"})
    for _ in range(20):
        assert blind.to("TIMER0_COMPA") == looking.to("TIMER0_COMPA")
        blind.go(1), looking.go(1)
