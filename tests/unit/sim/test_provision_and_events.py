"""The configuration record's bytes and the firmware's event lines, as docs/architecture.md has them."""

import binascii
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.events import Event, EventLineError, parse_event
from plantkeeper_sim.provision import BoardConfig, crc16, eeprom_image, encode


def test_record_bytes_of_the_default_board() -> None:
    record = encode(BoardConfig(7))
    assert record[:36].hex() == "504b4334000007000000020000000007c0000214ffffff00c0000201c000020a901f2c01"
    assert record[36:70] == bytes(34)
    assert record[70:78].hex() == "ff03bc02a0002003"
    assert record[78:80] == bytes(2)
    assert encode(BoardConfig(7, dhcp=True))[78:80] == b"\x01\x00"
    assert encode(BoardConfig(7, deep_sleep=True))[78:80] == b"\x02\x00"
    assert len(record) == 82


@given(st.binary(max_size=64))
def test_crc_is_ccitt_false(data: bytes) -> None:
    assert crc16(data) == binascii.crc_hqx(data, 0xFFFF)


@given(st.integers(1, 2**31 - 1), st.integers(1, 65535), st.integers(1, 16383))
def test_a_record_checks_itself(device_id: int, port: int, period: int) -> None:
    image = eeprom_image(
        BoardConfig(device_id, gateway=IPv4Address("10.1.2.3"), gateway_port=port, period_s=4 * period)
    )
    assert len(image) == 1024
    assert binascii.crc_hqx(image[128:208], 0xFFFF) == int.from_bytes(image[208:210], "little")
    assert set(image[:128] + image[210:]) == {0xFF}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"device_id": 0}, "device id 0"),
        ({"device_id": 2**31}, "device id 2147483648"),
        ({"device_id": 1, "period_s": 6}, "period of 6 s"),
        ({"device_id": 1, "gateway_port": 0}, "gateway port 0"),
    ],
)
def test_a_configuration_that_no_board_takes_is_refused(arguments: dict[str, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        BoardConfig(**arguments)  # type: ignore[arg-type] # only integers are given


names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)


@given(names, st.dictionaries(names, values, max_size=6), st.integers(0, 2**60))
def test_event_lines_are_read_back(name: str, fields: dict[str, str], cycles: int) -> None:
    line = " ".join([f"!{name}", *(f"{key}={value}" for key, value in fields.items())])
    assert parse_event(line, cycles) == Event(cycles, name, fields)


@given(st.text(max_size=40).filter(lambda text: not text.startswith("!")))
def test_replies_are_no_events(line: str) -> None:
    assert parse_event(line, 0) is None


@pytest.mark.parametrize("line", ["!", "!Boot", "!taken key", "!taken  key=1", "!taken key=1 key=2", "!taken key=\x00"])
def test_malformed_event_lines_are_named(line: str) -> None:
    with pytest.raises(EventLineError, match="event line"):
        parse_event(line, 0)
