"""ADC (datasheet chapter 24): 25 clocks for the first conversion, 13 for the others, 13.5 when triggered."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Lab, MakeLab

RESPONSE = 4
SLED = "nops 6000\n    .word 0xFFFF"


def sampled(rig: Lab, channel: int, volts: float) -> list[int]:
    """Attach a voltage; the cycles at which it was sampled."""
    cycles: list[int] = []

    def source() -> float:
        cycles.append(rig.cycles)
        return volts

    rig.mcu.adc.attach(channel, source)
    return cycles


@pytest.mark.parametrize(("select", "divisor"), [(0, 2), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128)])
def test_conversion_times(lab: MakeLab, select: int, divisor: int) -> None:
    """Table 24-1: sample-and-hold at 13.5 and 1.5 ADC clocks, result at 25 and 13, from the ADC clock's next edge;
    the prescaler counts from ADEN (24.4)."""
    rig = lab(
        f"""
    main:
        stsi ADMUX, 0x43
        stsi ADCSRA, {0x88 | select}
    enabled:
        sei
        nops 3
        stsi ADCSRA, {0xC8 | select}
    first:
        {SLED}
    isr:
        nops 7
        stsi ADCSRA, {0xC8 | select}
    second:
        reti
    """,
        {"ADC": "isr"},
    )
    samples = sampled(rig, 3, 2.5)
    base = rig.to("enabled")

    def edge(cycle: int) -> int:
        return base - (base - cycle) // divisor * divisor

    started = edge(rig.to("first"))
    assert rig.to("ADC") == started + 25 * divisor + RESPONSE
    again = edge(rig.to("second"))
    assert rig.to("ADC", within=3000) in range(again + 13 * divisor + RESPONSE, again + 13 * divisor + RESPONSE + 4)
    assert samples[0] in range(started + 27 * divisor // 2, started + 27 * divisor // 2 + 2)
    assert samples[1] in range(again + 3 * divisor // 2, again + 3 * divisor // 2 + 4)


@pytest.mark.parametrize(
    ("volts", "admux", "code"),
    [
        (0.0, 0x40, 0), (2.5, 0x40, 512), (5.0, 0x40, 1023), (7.0, 0x40, 1023), (-1.0, 0x40, 0), (0.55, 0xC0, 512),
        (1.0, 0x40, 204),
    ],
)  # fmt: skip
def test_result(lab: MakeLab, volts: float, admux: int, code: int) -> None:
    """24.7: Vin × 1024 / Vref, against AVcc or the internal 1.1 V."""
    rig = lab(f"""
    main:
        stsi ADMUX, {admux}
        stsi ADCSRA, 0xC0
    1:  lds r16, ADCSRA
        sbrc r16, 6
        rjmp 1b
        lds r24, ADCL
        lds r25, ADCH
    done:
        nop
    """)
    rig.mcu.adc.attach(0, lambda: volts)
    rig.to("done")
    assert rig[24] | rig[25] << 8 == code


def test_left_adjusted_and_bandgap(lab: MakeLab) -> None:
    """24.9.3 ADLAR; channel 14 is the 1.1 V reference (table 24-4)."""
    rig = lab("""
    main:
        stsi ADMUX, 0x6E
        stsi ADCSRA, 0xC0
        nops 100
        lds r25, ADCH
    done:
        nop
    """)
    rig.to("done")
    assert rig[25] == int(1.1 * 1024 / 5.0) >> 2


def test_free_running_repeats_every_thirteen_clocks(lab: MakeLab) -> None:
    """24.3: each conversion starts with the end of the one before, whatever the instructions take."""
    rig = lab(
        """
    main:
        stsi ADMUX, 0x41
        stsi ADCSRA, 0xE9
        sei
    loop:
        call twist
        rjmp loop
    twist:
        push r0
        pop r0
        ret
    isr:
        reti
    """,
        {"ADC": "isr"},
    )
    samples = sampled(rig, 1, 1.0)
    rig.go(3000)
    steps = [later - sooner for sooner, later in pairwise(samples[1:])]
    assert len(steps) > 80
    assert abs(sum(steps) - 26 * len(steps)) <= 5  # only the boundary at which each is answered wobbles
    assert set(steps) <= set(range(21, 32))


def test_triggered_by_a_timer(lab: MakeLab) -> None:
    """Table 24-1: sample 2 ADC clocks after the trigger, result after 13.5; the trigger is the flag's edge (24.3)."""
    rig = lab(
        f"""
    main:
        stsi ADMUX, 0x42
        stsi ADCSRB, 4
        stsi ADCSRA, 0xC2
        nops 200
        stsi ADCSRA, 0xBA
        outi TCNT0, 0
        outi TCCR0B, 1
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"ADC": "isr"},
    )
    samples = sampled(rig, 2, 1.0)
    start = rig.to("started") - 1
    samples.clear()
    assert rig.to("ADC") == start + 256 + 54 + RESPONSE
    assert samples == [start + 256 + 8]
    rig.go(1500)
    assert len(samples) == 1  # TOV0 stays set: no further edge


def test_triggered_by_int0(lab: MakeLab) -> None:
    """ADTS = 2: external interrupt request 0, here without its interrupt."""
    rig = lab(
        f"""
    main:
        stsi EICRA, 3
        stsi ADMUX, 0x42
        stsi ADCSRB, 2
        stsi ADCSRA, 0xC2
        nops 200
        stsi ADCSRA, 0xBA
        sei
    started:
        {SLED}
    isr:
        reti
    """,
        {"ADC": "isr"},
    )
    sampled(rig, 2, 1.0)
    rig.to("started")
    rig.go(10)
    at = rig.cycles
    rig.mcu.pin("PD2").drive(True)
    assert rig.to("ADC") == at + 54 + RESPONSE


def test_reading_the_low_byte_locks_the_result(lab: MakeLab) -> None:
    """24.9.3: from ADCL to ADCH the pair does not change."""
    rig = lab("""
    main:
        stsi ADMUX, 0x40
        stsi ADCSRA, 0xC0
        nops 100
        lds r24, ADCL
        stsi ADCSRA, 0xD0
        nops 100
        lds r25, ADCH
        lds r26, ADCL
    done:
        nop
    """)
    volts = iter((5.0, 0.0))
    rig.mcu.adc.attach(0, lambda: next(volts))
    rig.to("done")
    assert (rig[24], rig[25], rig[26]) == (0xFF, 0x03, 0xFF)


@pytest.mark.parametrize(
    ("admux", "complaint"),
    [(0x43, r"channel 3, where nothing is attached"), (0x80, "a reserved selection"), (0x00, "AREF, which is open")],
)
def test_open_inputs_raise(lab: MakeLab, admux: int, complaint: str) -> None:
    rig = lab(f"main: stsi ADMUX, {admux}\n stsi ADCSRA, 0xC0\n nops 90")
    rig.mcu.adc.attach(0, lambda: 1.0)
    with pytest.raises(NotModelledError, match=rf"ADMUX = 0x{admux:02X} .*{complaint}"):
        rig.go(80)


def test_external_reference(lab: MakeLab) -> None:
    rig = lab("main: stsi ADMUX, 0x20\n stsi ADCSRA, 0xC0\n nops 90\n lds r25, ADCH\ndone: nop")
    rig.mcu.adc.attach(0, lambda: 1.0)
    rig.mcu.adc.aref_volts = 2.0
    rig.to("done")
    assert rig[25] == 0x80


def test_no_such_channel(lab: MakeLab) -> None:
    with pytest.raises(ValueError, match="no ADC channel 9"):
        lab("main: nop").mcu.adc.attach(9, lambda: 0.0)
