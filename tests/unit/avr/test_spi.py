"""SPI master (datasheet chapter 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
SETUP = "outi DDRB, 0x2C"
DIVISORS = [(0, 0, 4), (1, 0, 16), (2, 0, 64), (3, 0, 128), (0, 1, 2), (1, 1, 8), (2, 1, 32), (3, 1, 64)]


@pytest.mark.parametrize(("spr", "spi2x", "divisor"), DIVISORS)
def test_byte_time_and_interrupt(lab: MakeLab, spr: int, spi2x: int, divisor: int) -> None:
    """Table 19-5: eight clocks; SPIF's vector clears it (19.5.2)."""
    rig = lab(
        f"""
    main:
        {SETUP}
        outi SPCR, {0xD0 | spr}
        outi SPSR, {spi2x}
        sei
        outi SPDR, 0x5A
    sent:
        nops 1200
        .word 0xFFFF
    isr:
        in r20, SPDR
        in r21, SPSR
        reti
    """,
        {"SPI_STC": "isr"},
    )
    seen: list[int] = []

    def answer(mosi: int) -> int:
        seen.append(mosi)
        return 0xC3

    rig.mcu.spi.attach(answer)
    at = rig.to("sent")
    assert rig.to("SPI_STC") == at + 8 * divisor + RESPONSE
    rig.go(10)
    assert seen == [0x5A]
    assert (rig[20], rig[21] & 0x80) == (0xC3, 0)


def test_polling_flag_and_lsb_first(lab: MakeLab) -> None:
    """19.5.1 DORD turns the bits; SPIF is cleared by reading SPSR, then SPDR."""
    rig = lab(f"""
    main:
        {SETUP}
        outi SPCR, 0x70
        outi SPDR, 0x01
    1:  in r20, SPSR
        sbrs r20, 7
        rjmp 1b
        in r21, SPDR
        in r22, SPSR
    done:
        nop
    """)
    seen: list[int] = []

    def answer(mosi: int) -> int:
        seen.append(mosi)
        return 0x03

    rig.mcu.spi.attach(answer)
    rig.to("done")
    assert seen == [0x80]
    assert (rig[21], rig[22] & 0x80) == (0xC0, 0)


def test_write_collision(lab: MakeLab) -> None:
    """19.5.2 WCOL: SPDR written during a transfer; the byte under way is unhurt."""
    rig = lab(f"""
    main:
        {SETUP}
        outi SPCR, 0x51
        outi SPDR, 0x11
        outi SPDR, 0x22
        in r20, SPSR
        nops 200
        in r21, SPSR
        in r22, SPDR
        in r23, SPSR
    done:
        nop
    """)
    seen: list[int] = []

    def answer(mosi: int) -> int:
        seen.append(mosi)
        return mosi ^ 0xFF

    rig.mcu.spi.attach(answer)
    rig.to("done")
    assert seen == [0x11]
    assert (rig[20] & 0xC0, rig[21] & 0xC0, rig[22], rig[23] & 0xC0) == (0x40, 0xC0, 0xEE, 0)


def test_chip_select_and_byte_order_on_the_wire(lab: MakeLab) -> None:
    """A part sees its select pin fall before the byte and rise after it."""
    rig = lab(f"""
    main:
        sbi PORTB, 2
        {SETUP}
        outi SPCR, 0x50
        cbi PORTB, 2
        outi SPDR, 0x42
    1:  in r20, SPSR
        sbrs r20, 7
        rjmp 1b
        sbi PORTB, 2
    done:
        nop
    """)
    log: list[object] = []
    rig.mcu.pin("PB2").watch(lambda level, cycles: log.append(level))

    def answer(mosi: int) -> int:
        log.append(mosi)
        return 0

    rig.mcu.spi.attach(answer)
    rig.to("done")
    assert log == [True, False, 0x42, True]


def test_nobody_attached_reads_high(lab: MakeLab) -> None:
    rig = lab(f"main:\n {SETUP}\n outi SPCR, 0x50\n outi SPDR, 0\n nops 40\n in r20, SPDR\ndone: nop")
    rig.to("done")
    assert rig[20] == 0xFF


@pytest.mark.parametrize(("spcr", "ddr"), [(0x40, 0x2C), (0x50, 0x28)], ids=["slave", "slave select low as an input"])
def test_not_modelled(lab: MakeLab, spcr: int, ddr: int) -> None:
    rig = lab(f"main: outi DDRB, {ddr}\n outi SPCR, {spcr}\n outi SPDR, 1\n nops 9")
    with pytest.raises(NotModelledError, match=r"SPCR \(0x4C\) at PC 0x"):
        rig.go(20)


def test_an_error_in_a_part_reaches_the_caller(lab: MakeLab) -> None:
    rig = lab(f"main:\n {SETUP}\n outi SPCR, 0x50\n outi SPDR, 0\n nops 40")

    def broken(mosi: int) -> int:
        raise RuntimeError(f"no answer to {mosi}")

    rig.mcu.spi.attach(broken)
    with pytest.raises(RuntimeError, match="no answer to 0"):
        rig.go(40)
