"""A snapshot is the machine's memory: what runs from it repeats cycle for cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.avr import Firmware, Mcu
from plantkeeper_sim.errors import SnapshotError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Lab, MakeLab

# Everything at once: a timer with output and interrupt, SPI, serial, ADC, EEPROM, watchdog.
BUSY = """
main:
    outi DDRB, 0x2C
    outi DDRD, 0x40
    outi OCR0A, 40
    outi TCCR0A, 0x42
    outi TCCR0B, 1
    stsi TIMSK1, 1
    stsi TCCR1B, 1
    outi SPCR, 0x50
    stsi UBRR0L, 3
    stsi UCSR0B, 0x98
    stsi ADMUX, 0x40
    stsi ADCSRA, 0xEA
    stsi WDTCSR, 0x40
    sei
loop:
    out SPDR, r20
    inc r20
    sts UDR0, r20
    sbi EECR, 0
    outi EEARL, 9
    out EEDR, r20
    sbi EECR, 2
    sbi EECR, 1
    lds r21, ADCL
    lds r22, ADCH
    in r23, SPDR
    add r24, r21
    eor r25, r23
    rjmp loop
isr:
    lds r19, UDR0
    reti
"""


HANDLERS = dict.fromkeys(("USART_RX", "TIMER1_OVF", "WDT", "ADC"), "isr")


def trace(rig: Lab, cycles: int) -> list[object]:
    """All that can be seen from outside, and where the machine stands, in pieces of odd length."""
    seen: list[object] = []
    rig.mcu.pin("PD6").watch(lambda level, at: seen.append(("PD6", level, at)))

    def exchange(mosi: int) -> int:
        seen.append(("spi", mosi, rig.cycles))
        return mosi * 7 & 0xFF

    def volts() -> float:
        seen.append(("adc", rig.cycles))
        return (rig.cycles % 5000) / 1000

    rig.mcu.spi.attach(exchange)
    rig.mcu.adc.attach(0, volts)
    end = rig.cycles + cycles
    while rig.cycles < end:
        rig.mcu.run(min(rig.cycles + 997, end))
        seen.append((rig.cycles, rig.mcu.pc, rig.mcu.sreg, rig.mcu.registers))
    seen.extend(rig.mcu.uart.take())
    seen.append(rig.mcu.read_data(0, 0x900))
    seen.append(rig.mcu.eeprom)
    return seen


@pytest.fixture
def busy(lab: MakeLab) -> Lab:
    rig = lab(BUSY, HANDLERS)
    rig.mcu.adc.attach(0, lambda: 1.0)
    rig.mcu.uart.feed(b"some input that is still on its way when the snapshot is taken" * 3)
    return rig


@pytest.mark.parametrize("at", [5, 60, 1234, 70_001])
def test_restored_machine_repeats_cycle_for_cycle(busy: Lab, lab: MakeLab, at: int) -> None:
    busy.go(at)
    busy.mcu.uart.take()
    snapshot = busy.mcu.snapshot()
    first = trace(busy, 90_000)
    assert len(first) > 2000
    other = lab(BUSY, HANDLERS)
    other.mcu.restore(snapshot)
    assert other.mcu.snapshot() == snapshot
    assert trace(other, 90_000) == first


def test_snapshot_of_another_firmware() -> None:
    with pytest.raises(
        SnapshotError, match=r"the snapshot is of firmware [0-9a-f]{12}, this machine runs [0-9a-f]{12}"
    ):
        Mcu(Firmware.from_words([0])).restore(Mcu(Firmware.from_words([1])).snapshot())


@pytest.mark.parametrize("cut", [0, 10, 100])
def test_damaged_snapshot(cut: int) -> None:
    machine = Mcu(Firmware.from_words([0]))
    with pytest.raises(SnapshotError, match=r"too short|another version"):
        machine.restore(machine.snapshot()[:cut])


def test_timers_of_parts_keep_their_order(lab: MakeLab) -> None:
    """Calls due at one cycle come as they were asked for; a cancelled one does not come; a past one comes now."""
    rig = lab("main: rjmp main")
    order: list[str] = []
    rig.mcu.call_at(100, lambda: order.append("b"))
    rig.mcu.call_at(100, lambda: order.append("c"))
    rig.mcu.call_at(50, lambda: order.append("a"))
    rig.mcu.call_at(70, lambda: order.append("never")).cancel()
    rig.mcu.run(200)
    rig.mcu.call_at(10, lambda: order.append("d"))
    rig.mcu.run(210)
    assert order == ["a", "b", "c", "d"]
