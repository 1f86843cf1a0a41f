"""Images: Intel HEX, the bootloader in its section, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkeeper_sim.avr import UNO
from plantkeeper_sim.avr.hexfile import records
from plantkeeper_sim.errors import FirmwareError
from plantkeeper_sim.flashing import Bootloader, load_application, load_bootloader, optiboot, with_bootloader


def record(address: int, kind: int, data: bytes) -> str:
    body = bytes((len(data), address >> 8, address & 0xFF, kind)) + data
    return f":{(body + bytes((-sum(body) & 0xFF,))).hex().upper()}"


END = ":00000001FF"


@settings(derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=32)), max_size=8))
def test_records_come_back(pieces: list[tuple[int, bytes]]) -> None:
    text = "\r\n".join([*(record(address, 0, data) for address, data in pieces), END, "what follows is ignored"])
    assert list(records(text, "x.hex")) == pieces


def test_extended_addresses() -> None:
    text = "\n".join(
        [record(0, 2, b"\x10\x00"), record(4, 0, b"a"), record(0, 4, b"\x00\x02"), record(4, 0, b"b"), END]
    )
    assert list(records(text, "x.hex")) == [(0x10004, b"a"), (0x20004, b"b")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (":00000001FE", "line 1: wrong checksum"),
        ("hello", "line 1: 'hello' is no Intel HEX record"),
        (f"{record(0, 0, b'ab')[:-2]}\n{END}", "line 1: .* is no Intel HEX record"),
        (record(0, 0, b"ab"), "no end record"),
        (f"{record(0, 9, b'')}\n{END}", "record type 9"),
    ],
)
def test_damaged_hex(text: str, says: str) -> None:
    with pytest.raises(FirmwareError, match=rf"x\.hex.*{says}"):
        list(records(text, "x.hex"))


def test_debians_optiboot_stands_in_a_section_that_holds_it() -> None:
    """532 bytes, linked for 512."""
    bootloader = load_bootloader(optiboot())
    assert (len(bootloader.code), bootloader.fuses.high, bootloader.fuses.boot_start) == (532, 0xDC, 0x7C00)
    assert bootloader.code[:4] == bytes.fromhex("112484b7")  # clr r1; in r24, MCUSR
    assert bootloader.code[0x1FE:0x200] == bytes.fromhex("9083")  # code, not the version word that Debian's file has
    flash = with_bootloader(b"\x12" * 0x7C00, bootloader).image
    assert (flash[0x7BFF:0x7C02], flash[0x7E14:]) == (b"\x12\x11\x24", b"\xff" * (0x8000 - 0x7E14))


def test_a_bootloader_that_fits_keeps_the_unos_fuses(tmp_path: Path) -> None:
    path = tmp_path / "optiboot.hex"
    path.write_text("\n".join([record(0x7E00, 0, bytes(16)), record(0x7FFE, 0, b"\4\4"), END]))
    assert load_bootloader(path) == Bootloader(bytes(16), UNO)


def test_what_does_not_fit(tmp_path: Path) -> None:
    huge = tmp_path / "huge.hex"
    huge.write_text("\n".join([*(record(0x6000 + at, 0, bytes(128)) for at in range(0, 0x1080, 128)), END]))
    with pytest.raises(FirmwareError, match=r"huge\.hex: 4224 bytes of code; a boot section holds 1…4096"):
        load_bootloader(huge)
    with pytest.raises(FirmwareError, match="31745 bytes; 31744 fit before the bootloader at 0x7C00"):
        with_bootloader(bytes(31745), load_bootloader(optiboot()))
    with pytest.raises(FirmwareError, match=r"no bootloader for the Uno at .*arduino-core-avr"):
        optiboot([tmp_path])
    beyond = tmp_path / "beyond.hex"
    beyond.write_text(f"{record(0x7FF8, 0, bytes(16))}\n{END}")
    with pytest.raises(FirmwareError, match="reaches 0x8008"):
        load_application(beyond)
    with pytest.raises(FirmwareError, match=r"none\.hex: cannot be read"):
        load_application(tmp_path / "none.hex")


def test_applications(tmp_path: Path) -> None:
    path = tmp_path / "application.hex"
    path.write_text(f"{record(4, 0, b'ab')}\n{record(0, 0, b'cd')}\n{END}")
    assert load_application(path) == b"cd\xff\xffab"
    plain = tmp_path / "application.bin"
    plain.write_bytes(b"cd")
    assert load_application(plain) == b"cd"
