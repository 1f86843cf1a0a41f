"""Sleep modes (datasheet chapter 10): what wakes, what goes on meanwhile, and how long waking takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.avr import StopReason
from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Lab, MakeLab

RESPONSE = 4
WAKE = 4  # 7.7.1: four cycles more than awake
START_UP = {0: 0, 1: 0, 2: 16384, 3: 16384, 6: 6, 7: 6}  # table 9-4 (16K CK crystal) and 10.7
IDLE, ADC_NOISE_REDUCTION, POWER_DOWN, POWER_SAVE, STANDBY, EXTENDED_STANDBY = START_UP
DEEP = [ADC_NOISE_REDUCTION, POWER_DOWN, POWER_SAVE, STANDBY, EXTENDED_STANDBY]


def asleep(lab: MakeLab, mode: int, setup: str, vectors: dict[str, str]) -> Lab:
    """A machine that sleeps in a mode, after `setup`; label `awake` behind SLEEP, an ISR `isr` that counts in R20."""
    rig = lab(
        f"""
    main:
        {setup}
    ready:
        outi SMCR, {mode << 1 | 1}
        sei
        sleep
    awake:
        nops 40
    1:  rjmp 1b
    isr:
        inc r20
        in r21, TCNT0
        reti
    """,
        vectors,
    )
    rig.marks["ready"] = rig.to("ready")
    while not rig.mcu.sleeping:
        rig.go(1)
    rig.marks["asleep"] = rig.cycles
    return rig


@pytest.mark.parametrize("mode", START_UP)
def test_pin_change_wakes_every_mode(lab: MakeLab, mode: int) -> None:
    rig = asleep(lab, mode, "stsi PCICR, 4\n stsi PCMSK2, 1", {"PCINT2": "isr"})
    assert rig.go(1_000_000) is StopReason.HALTED
    at = rig.cycles
    rig.mcu.pin("PD0").drive(True)
    assert rig.to("PCINT2", within=30_000) == at + START_UP[mode] + WAKE + RESPONSE
    assert not rig.mcu.sleeping
    rig.to("awake")
    assert rig[20] == 1


@pytest.mark.parametrize("mode", START_UP)
def test_watchdog_wakes_every_mode(lab: MakeLab, mode: int) -> None:
    rig = asleep(lab, mode, "stsi WDTCSR, 0x40", {"WDT": "isr"})
    rig.go(3000 * 125)
    assert rig[20] == 1


def test_timer_wakes_from_idle_at_its_cycle(lab: MakeLab) -> None:
    rig = asleep(lab, IDLE, "stsi TIMSK0, 1\n outi TCCR0B, 3\nstarted:", {"TIMER0_OVF": "isr"})
    assert rig.to("TIMER0_OVF", within=30_000) == 256 * 64 + WAKE + RESPONSE  # the prescaler counts from reset


@pytest.mark.parametrize("mode", DEEP)
def test_timer_stands_still_in_deep_sleep(lab: MakeLab, mode: int) -> None:
    """Table 10-1: clkI/O stops in every mode but idle; the counter goes on where it was."""
    rig = asleep(lab, mode, "stsi TIMSK0, 1\n stsi PCICR, 4\n stsi PCMSK2, 1\n outi TCCR0B, 1", {"PCINT2": "isr"})
    assert rig.go(123_457) is StopReason.HALTED
    rig.mcu.pin("PD0").drive(True)
    slept = rig.cycles - rig.marks["asleep"]
    read = rig.to("PCINT2", within=30_000) + 3 + 1  # JMP, INC, then IN
    rig.to("awake")
    assert rig[21] == (read - slept - rig.marks["ready"]) % 256


@pytest.mark.parametrize("mode", DEEP)
def test_edge_of_int0_is_not_seen_in_deep_sleep(lab: MakeLab, mode: int) -> None:
    """13.2.1: edges need clkI/O; a low level wakes without it."""
    edge = asleep(lab, mode, "stsi EICRA, 3\n outi EIMSK, 1", {"INT0": "isr"})
    edge.mcu.pin("PD2").drive(True)
    edge.go(50_000)
    assert edge.mcu.sleeping
    level = asleep(lab, mode, "sbi PORTD, 2\n outi EIMSK, 1", {"INT0": "isr"})
    level.mcu.pin("PD2").drive(False)
    level.go(START_UP[mode] + 30)
    assert level[20]


def test_adc_noise_reduction_starts_a_conversion_and_wakes_by_it(lab: MakeLab) -> None:
    """24.6: entering the mode starts a conversion; the ADC interrupt wakes the CPU."""
    rig = lab(
        """
    main:
        stsi ADMUX, 0x40
        stsi ADCSRA, 0x8A
    enabled:
        outi SMCR, 3
        sei
        sleep
        nops 9
    1:  rjmp 1b
    isr:
        lds r20, ADCL
        reti
    """,
        {"ADC": "isr"},
    )
    rig.mcu.adc.attach(0, lambda: 1.0)
    base = rig.to("enabled")
    asleep_at = base + 2 + 1 + 1
    edge = base - (base - asleep_at) // 4 * 4
    assert rig.to("ADC") == edge + 25 * 4 + WAKE + RESPONSE
    rig.go(12)
    assert rig[20] == 204


def test_serial_frame_wakes_from_idle(lab: MakeLab) -> None:
    rig = asleep(lab, IDLE, "stsi UCSR0B, 0x90", {"USART_RX": "isr"})
    rig.mcu.uart.feed(b"!")
    at = rig.cycles
    assert rig.to("USART_RX") == at + 160 + WAKE + RESPONSE


FRAME = 160  # of 8N1 at the fastest rate


def listening(lab: MakeLab, mode: int, setup: str, vectors: dict[str, str]) -> Lab:
    """Asleep in a mode, its receiver on; once awake it keeps what it hears in RAM from 0x200 on. R20: interrupts."""
    rig = lab(
        f"""
    main:
        stsi UCSR0B, 0x10
        {setup}
        ldi r26, 0
        ldi r27, 2
        outi SMCR, {mode << 1 | 1}
        sei
        sleep
    awake:
        lds r17, UCSR0A
        sbrs r17, 7
        rjmp awake
        lds r18, UDR0
        st X+, r18
        rjmp awake
    isr:
        inc r20
        reti
    """,
        vectors,
    )
    while not rig.mcu.sleeping:
        rig.go(1)
    return rig


@pytest.mark.parametrize("mode", DEEP)
def test_serial_frames_go_by_in_deep_sleep(lab: MakeLab, mode: int) -> None:
    """Table 10-1: the receiver has no clock. What was sent meanwhile is lost, and does not come later."""
    rig = listening(lab, mode, "stsi WDTCSR, 0x40", {"WDT": "isr"})
    rig.mcu.uart.feed(b"lost")
    rig.go(300_000)
    assert rig[20] == 1
    rig.mcu.uart.feed(b"heard")
    rig.go(6 * FRAME)
    assert rig.mcu.read_data(0x200, 6) == b"heard\0"


@pytest.mark.parametrize("mode", DEEP)
def test_a_start_bit_is_a_pin_change_and_wakes(lab: MakeLab, mode: int) -> None:
    """PCINT16 is RXD. Frames whose start bit came before clkI/O ran again are lost, those after it are heard."""
    rig = listening(lab, mode, "stsi PCICR, 4\n stsi PCMSK2, 1", {"PCINT2": "isr"})
    rig.go(1000)
    assert rig.mcu.sleeping
    deaf = (START_UP[mode] + WAKE) // FRAME + 1
    rig.mcu.uart.feed(bytes(n % 100 + 1 for n in range(deaf + 3)))
    rig.go((deaf + 5) * FRAME)
    assert rig[20] >= 1
    assert rig.mcu.read_data(0x200, 4) == bytes((deaf + n) % 100 + 1 for n in range(3)) + b"\0"


def test_time_in_power_down_is_counted(lab: MakeLab) -> None:
    rig = asleep(lab, POWER_DOWN, "stsi PCICR, 4\n stsi PCMSK2, 1", {"PCINT2": "isr"})
    rig.go(123_456)
    assert rig.mcu.powered_down_cycles == rig.cycles - rig.marks["asleep"]
    rig.mcu.pin("PD0").drive(True)
    rig.to("PCINT2", within=30_000)
    slept = rig.mcu.powered_down_cycles
    assert 123_456 <= slept <= 123_456 + 1
    rig.go(100)
    assert rig.mcu.powered_down_cycles == slept
    idle = asleep(lab, IDLE, "stsi PCICR, 4\n stsi PCMSK2, 1", {"PCINT2": "isr"})
    idle.go(123_456)
    assert idle.mcu.powered_down_cycles == 0


def test_the_watchdogs_oscillator_drifts_from_the_next_period_on(lab: MakeLab) -> None:
    rig = asleep(lab, POWER_DOWN, "stsi WDTCSR, 0x40", {"WDT": "isr"})
    assert rig.mcu.watchdog_hz == 128_000
    rig.mcu.watchdog_hz = 64_000
    first = rig.to("WDT", within=600_000)
    rig.go(100)
    second = rig.to("WDT", within=1_200_000)
    assert first == pytest.approx(2048 * 125 + START_UP[POWER_DOWN], abs=200)
    assert second - first == pytest.approx(2048 * 250 - START_UP[POWER_DOWN], abs=200)  # awake: no start-up time


@pytest.mark.parametrize("mode", [POWER_DOWN, STANDBY])
def test_eeprom_write_completes_in_deep_sleep(lab: MakeLab, mode: int) -> None:
    setup = "stsi PCICR, 4\n stsi PCMSK2, 1\n outi EEDR, 0x5A\n sbi EECR, 2\n sbi EECR, 1"
    rig = asleep(lab, mode, setup, {"PCINT2": "isr"})
    rig.go(60_000)
    assert rig.mcu.eeprom[0] == 0x5A


def test_sleep_without_enable_is_a_nop(lab: MakeLab) -> None:
    """10.11.1: SE."""
    rig = lab("main: outi SMCR, 0\n sleep\n ldi r20, 7\ndone: rjmp done")
    rig.to("done")
    assert rig[20] == 7


def test_time_asleep_costs_no_instructions(lab: MakeLab) -> None:
    """Ten virtual minutes with one wake-up: the awake cycles are few, `cycles` has all."""
    rig = asleep(lab, POWER_DOWN, "stsi PCICR, 4\n stsi PCMSK2, 1", {"PCINT2": "isr"})
    awake = rig.mcu.awake_cycles
    rig.mcu.call_in(600.0, lambda: rig.mcu.pin("PD0").drive(True))
    assert rig.go(601 * 16_000_000) is StopReason.DEADLINE
    assert rig.mcu.time_s >= 601.0
    assert rig.mcu.awake_cycles - awake < 16_100_000


@pytest.mark.parametrize("setup", ["nop", "stsi TIMSK0, 1\n outi TCCR0B, 1"], ids=["nothing", "a timer, masked"])
def test_asleep_for_ever_is_told(lab: MakeLab, setup: str) -> None:
    """SLEEP with interrupts off and no watchdog: `run` comes back although no deadline was given."""
    rig = lab(f"main:\n {setup}\n outi SMCR, 1\n cli\n sleep\n nop")
    assert rig.mcu.run() is StopReason.HALTED
    assert rig.mcu.sleeping
    assert rig.go(1000) is StopReason.HALTED


def test_reserved_mode(lab: MakeLab) -> None:
    rig = lab("main: outi SMCR, 0x09\n sleep\n nop")
    with pytest.raises(NotModelledError, match=r"SMCR \(0x53\)"):
        rig.go(8)
