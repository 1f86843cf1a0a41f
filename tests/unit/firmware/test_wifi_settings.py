"""firmware/lib/wifi on the host: name and passphrase over the console, and their record."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = [pytest.mark.sanitize]

OK, DATA_TYPE, NOT_ALLOWED, MISSING, UNDEFINED, OUT_OF_RANGE = 0, -104, -108, -109, -113, -222
RECORD = 102

Ask = Callable[[str], str]
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


def carry_out(ask: Ask, *lines: str) -> tuple[list[tuple[int, str]], bytes]:
    *answers, record = ask(" ".join(["wifi", *(line.encode("latin-1").hex() for line in lines)])).split(" ")
    pairs = [answer.split(":") for answer in answers]
    return [(int(error), bytes.fromhex(reply).decode()) for error, reply in pairs], bytes.fromhex(record)


def quoted(text: str, quote: str = '"') -> str:
    return quote + text.replace(quote, quote * 2) + quote


def fields(record: bytes) -> tuple[str, str]:
    assert record[:4] == b"PKW1"
    assert int.from_bytes(record[-2:], "little") == crc_hqx(record[:-2], 0xFFFF)
    return record[4:37].rstrip(b"\0").decode(), record[37:100].rstrip(b"\0").decode()


@given(printable.filter(lambda text: len(text) <= 32), st.sampled_from("\"'"))
def test_a_name_comes_back_as_it_was_given(ask: Ask, name: str, quote: str) -> None:
    answers, record = carry_out(ask, f"CONF:WIFI:SSID {quoted(name, quote)}", "CONF:WIFI:SSID?")
    assert answers == [(OK, ""), (OK, quoted(name))]
    assert fields(record) == (name, "")


@given(printable.filter(lambda text: 8 <= len(text) <= 63), st.sampled_from("\"'"))
def test_a_passphrase_is_kept_and_never_told(ask: Ask, passphrase: str, quote: str) -> None:
    line = f"CONF:WIFI:PASS {quoted(passphrase, quote)}"
    answers, record = carry_out(ask, line, "CONF:WIFI:PASS?", "CONF:WIFI:SSID?")
    assert answers == [(OK, ""), (UNDEFINED, ""), (OK, '""')]
    assert fields(record) == ("", passphrase)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("CONFigure:WIFI:SSID 'a'", OK),
        ("configure:wifi:passphrase '12345678'", OK),
        ("CONF:WIFI:PASS ''", OK),  # an open network
        ("CONF:WIFI:SSID", MISSING),
        ("CONF:WIFI:SSID greenhouse", DATA_TYPE),
        ('CONF:WIFI:SSID "greenhouse', DATA_TYPE),
        ('CONF:WIFI:SSID "a", "b"', NOT_ALLOWED),
        ('CONF:WIFI:SSID "a" b', DATA_TYPE),
        ("CONF:WIFI:SSID? 1", NOT_ALLOWED),
        ('CONF:WIFI:SSID ""', OUT_OF_RANGE),
        (f'CONF:WIFI:SSID "{"a" * 33}"', OUT_OF_RANGE),
        ('CONF:WIFI:SSID "caf\xe9"', OUT_OF_RANGE),
        ('CONF:WIFI:PASS "1234567"', OUT_OF_RANGE),
        (f'CONF:WIFI:PASS "{"a" * 64}"', OUT_OF_RANGE),
        ("CONF:WIFI:CHAN 1", UNDEFINED),
        ("CONF:KEY 1", UNDEFINED),
    ],
)
def test_what_is_taken_and_what_is_not(ask: Ask, line: str, error: int) -> None:
    before = ('CONF:WIFI:SSID "old"', 'CONF:WIFI:PASS "old old old"')
    answers, record = carry_out(ask, *before, line)
    assert answers[-1] == (error, "")
    if error != OK:
        assert fields(record) == ("old", "old old old")


@given(st.binary(max_size=95).map(lambda line: line.replace(b"\0", b"0")))
def test_no_line_does_harm(ask: Ask, line: bytes) -> None:
    answers, record = carry_out(ask, f"CONF:WIFI:SSID {line.decode('latin-1')}")
    assert len(answers) == 1
    assert len(fields(record)[0]) <= 32


@given(st.binary(min_size=RECORD, max_size=RECORD), st.booleans())
def test_a_record_is_refused_or_means_what_it_says(ask: Ask, content: bytes, sealed: bool) -> None:
    record = content
    if sealed:
        record = b"PKW1" + content[4:-2]
        record += crc_hqx(record, 0xFFFF).to_bytes(2, "little")
    answer = ask(f"wifi_record {record.hex()}")
    if answer != "refused":
        again = bytes.fromhex(answer)
        assert ask(f"wifi_record {again.hex()}") == answer
    else:
        assert record[:4] != b"PKW1" or not sealed or 0 < len(record[37:100].partition(b"\0")[0]) < 8


def test_a_flipped_bit_is_noticed(ask: Ask) -> None:
    _, record = carry_out(ask, 'CONF:WIFI:SSID "greenhouse"', 'CONF:WIFI:PASS "correct horse"')
    assert ask(f"wifi_record {record.hex()}") == record.hex()
    for bit in range(8 * RECORD):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        assert ask(f"wifi_record {flipped.hex()}") == "refused"
