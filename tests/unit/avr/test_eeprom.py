"""EEPROM (datasheet 8.4, 8.6): EEMPE's window, write times, halted CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
MS = 16_000


@pytest.mark.parametrize(
    ("mode", "before", "after", "time_ms"), [(0, 0x0F, 0x3C, 3.4), (1, 0x0F, 0xFF, 1.8), (2, 0x0F, 0x0C, 1.8)]
)
def test_write_modes(lab: MakeLab, mode: int, before: int, after: int, time_ms: float) -> None:
    """Table 8-1: erase and write, erase, write; EERIE's interrupt comes when EEPE falls."""
    rig = lab(
        f"""
    main:
        outi EEARH, 1
        outi EEARL, 2
        outi EEDR, 0x3C
        outi EECR, {mode << 4 | 8}
        sbi EECR, 2
        sbi EECR, 1
    written:
        in r20, EECR
        sei
        nops 3
    1:  rjmp 1b
    isr:
        in r21, EECR
        cbi EECR, 3
        reti
    """,
        {"EE_READY": "isr"},
        eeprom=bytes([0xFF] * 258 + [before]),
    )
    at = rig.to("written") - 2  # the CPU stood still for two cycles (8.6.3)
    rig.go(round(time_ms * MS) - 100)
    ready = rig.to("EE_READY")
    assert ready - RESPONSE in range(at + round(time_ms * MS), at + round(time_ms * MS) + 2)
    rig.go(12)
    assert (rig[20] & 2, rig[21] & 2) == (2, 0)
    assert rig.mcu.eeprom[258] == after


@pytest.mark.parametrize(("nops", "written"), [(0, True), (2, True), (3, True), (4, False), (9, False)])
def test_master_write_enable_lasts_four_cycles(lab: MakeLab, nops: int, written: bool) -> None:
    """8.6.3: EEPE must follow EEMPE within four clock cycles; then the hardware takes EEMPE back."""
    rig = lab(f"""
    main:
        outi EEDR, 0x55
        ldi r17, 4
        ldi r18, 2
        out EECR, r17
        nops {nops}
        out EECR, r18
    done:
        nops 8
        in r20, EECR
    end:
        nop
    """)
    rig.to("end")
    assert rig[20] & 6 == (2 if written else 0)
    assert rig.mcu.eeprom[0] == (0x55 if written else 0xFF)


def test_read_halts_the_cpu_for_four_cycles(lab: MakeLab) -> None:
    """8.6.3: EERE; the next instruction comes four cycles later."""
    rig = lab("""
    main:
        outi EEARL, 3
    read:
        sbi EECR, 0
    next:
        in r20, EEDR
    done:
        nop
    """, eeprom=b"abcd")  # fmt: skip
    at = rig.to("read")
    assert rig.to("next") == at + 2 + 4
    rig.to("done")
    assert rig[20] == ord("d")


def test_no_read_and_no_second_write_while_writing(lab: MakeLab) -> None:
    rig = lab("""
    main:
        outi EEDR, 0x11
        sbi EECR, 2
        sbi EECR, 1
        outi EEARL, 1
        outi EEDR, 0x22
        sbi EECR, 0
        sbi EECR, 2
        sbi EECR, 1
        in r20, EEDR
    done:
        nop
    """)
    rig.to("done")
    assert rig[20] == 0x22
    assert rig.mcu.eeprom[:2] == b"\x11\xff"


def test_reserved_mode(lab: MakeLab) -> None:
    rig = lab("main: outi EECR, 0x30\n nop")
    with pytest.raises(NotModelledError, match=r"EECR \(0x3F\)"):
        rig.go(4)


def test_contents_given_are_too_long(lab: MakeLab) -> None:
    with pytest.raises(ValueError, match="1025 bytes; the ATmega328P has 1024"):
        lab("main: nop", eeprom=bytes(1025))
