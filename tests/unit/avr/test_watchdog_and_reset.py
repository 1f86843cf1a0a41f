"""Watchdog (11.8, 11.9.2) and the causes of a reset in MCUSR (11.9.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
CYCLES_PER_OSCILLATOR_CYCLE = 125  # 16 MHz / 128 kHz
SHORTEST = 2048 * CYCLES_PER_OSCILLATOR_CYCLE  # 16 ms
START = """
    stsi WDTCSR, 0x18
"""


@pytest.mark.parametrize("prescaler", range(10))
def test_interrupt_mode(lab: MakeLab, prescaler: int) -> None:
    """Table 11-2: 2048 × 2^WDP oscillator cycles, each time anew; no reset."""
    wdp = prescaler & 7 | (prescaler & 8) << 2
    rig = lab(
        f"""
    main:
        {START}
    on:
        stsi WDTCSR, {0x40 | wdp}
        sei
        nop
    loop:
        nop
        rjmp loop
    isr:
        inc r20
        reti
    """,
        {"WDT": "isr"},
    )
    on = rig.to("on")
    for round_ in (1, 2):
        due = on + round_ * (SHORTEST << prescaler)
        rig.mcu.run(due - 10)
        assert rig[20] == round_ - 1
        assert rig.to("WDT") - RESPONSE in range(due, due + 2)
        rig.go(20)


def test_reset_mode_and_its_cause(lab: MakeLab) -> None:
    """WDE resets; MCUSR shows WDRF, and with it WDE stays on at 16 ms until both are cleared (11.9.2)."""
    rig = lab(f"""
    main:
        in r20, MCUSR
        lds r21, WDTCSR
        sbrc r20, 3
        rjmp again
        {START}
    on:
        stsi WDTCSR, 0x0A
    again:
        rjmp again
    """)
    resets: list[int] = []
    rig.mcu.on_reset.append(lambda: resets.append(rig.cycles))
    on = rig.to("on")
    assert rig[20] == 1
    rig.mcu.run(on + 4 * SHORTEST + 100)
    assert resets
    assert resets[0] in range(on + 4 * SHORTEST, on + 4 * SHORTEST + 3)
    assert (rig[20] & 0x0A, rig[21] & 0x0F) == (8, 8)
    rig.mcu.run(on + 5 * SHORTEST + 100)
    assert len(resets) == 2


def test_wdr_postpones(lab: MakeLab) -> None:
    rig = lab(f"""
    main:
        {START}
        stsi WDTCSR, 0x08
    loop:
        wdr
        rjmp loop
    """)
    rig.mcu.on_reset.append(lambda: pytest.fail("the watchdog barked"))
    rig.go(3 * SHORTEST)


@pytest.mark.parametrize(("nops", "stopped"), [(0, True), (1, True), (2, True), (3, False), (6, False)])
def test_timed_sequence(lab: MakeLab, nops: int, stopped: bool) -> None:
    """11.8.2: WDE is cleared within four cycles of writing WDCE and WDE, and not otherwise. STS takes two."""
    rig = lab(f"""
    main:
        outi MCUSR, 0
        {START}
        nops 8
        stsi WDTCSR, 0
        lds r21, WDTCSR
        ldi r17, 0x18
        ldi r18, 0
        sts WDTCSR, r17
        nops {nops}
        sts WDTCSR, r18
        lds r20, WDTCSR
    done:
        nop
    """)
    rig.to("done")
    assert rig[21] & 8
    assert rig[20] & 8 == (0 if stopped else 8)


def test_interrupt_then_reset(lab: MakeLab) -> None:
    """WDE and WDIE: the interrupt's vector clears WDIE, the next time-out resets (table 11-1)."""
    rig = lab(
        f"""
    main:
        {START}
        stsi WDTCSR, 0x48
        sei
    loop:
        rjmp loop
    isr:
        lds r20, WDTCSR
        reti
    """,
        {"WDT": "isr"},
    )
    rig.go(SHORTEST + 100)
    assert rig[20] & 0xC8 == 8
    resets: list[int] = []
    rig.mcu.on_reset.append(lambda: resets.append(rig.cycles))
    rig.go(SHORTEST)
    assert len(resets) == 1


def test_an_interrupt_that_nobody_serves_becomes_a_reset(lab: MakeLab) -> None:
    """11.9.2: 'If the interrupt is not executed before the next time-out, a System Reset will be applied.'"""
    rig = lab(f"main:\n {START}\n stsi WDTCSR, 0x48\nloop: rjmp loop")
    resets: list[int] = []
    rig.mcu.on_reset.append(lambda: resets.append(rig.cycles))
    rig.go(SHORTEST + 100)
    assert not resets
    rig.go(SHORTEST)
    assert len(resets) == 1


def test_another_oscillator(lab: MakeLab) -> None:
    """11.8.1: the oscillator is nominal; a test may have it slow."""
    rig = lab(f"main:\n {START}\n stsi WDTCSR, 0x08\nloop: rjmp loop", watchdog_hz=100_000)
    resets: list[int] = []
    rig.mcu.on_reset.append(lambda: resets.append(rig.cycles))
    rig.go(2048 * 160 - 50)
    assert not resets
    rig.go(100)
    assert len(resets) == 1


@pytest.mark.parametrize(("cause", "shown"), [(1, 1), (2, 3), (4, 5), (8, 9)])
def test_causes_add_up_until_cleared_and_power_on_clears(lab: MakeLab, cause: int, shown: int) -> None:
    """11.9.1: each reset sets its flag; a power-on reset clears the others."""
    rig = lab("main: in r20, MCUSR\ndone: rjmp done")
    rig.mcu.reset(cause)
    rig.to("done")
    assert rig[20] == shown


def test_reset_keeps_memory_and_clears_the_io_registers(lab: MakeLab) -> None:
    rig = lab("""
    main:
        lds r20, 0x200
        mov r23, r24
        ldi r24, 0x66
        in r21, DDRB
        in r22, TCNT0
        stsi 0x200, 0x77
        outi DDRB, 0xFF
        outi TCCR0B, 1
        nops 9
    done:
        rjmp done
    """)
    rig.to("done")
    rig.mcu.reset()
    rig.to("done")
    assert (rig[20], rig[23]) == (0x77, 0x66)
    assert (rig[21], rig[22]) == (0, 0)


def test_clearing_mcusr(lab: MakeLab) -> None:
    rig = lab("main: outi MCUSR, 0x0E\n in r20, MCUSR\ndone: rjmp done")
    rig.to("done")
    assert rig[20] == 0


def test_system_clock_prescaler_is_not_modelled(lab: MakeLab) -> None:
    rig = lab("main: ldi r17, 0x80\n ldi r18, 3\n sts CLKPR, r17\n sts CLKPR, r18\n nop")
    with pytest.raises(NotModelledError, match=r"CLKPR \(0x61\)"):
        rig.go(8)
