"""The firmware's pure libraries, under sanitizers, against independent references."""

from __future__ import annotations

import binascii
import json
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from ipaddress import IPv4Address

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from plantkeeper_hil.readings import humidity_percent, light_level
from plantkeeper_proxy.signature import verify
from plantkeeper_sim.parts.dht11 import encode as dht11_frame
from plantkeeper_sim.provision import BoardConfig, encode

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]
uint16, uint32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)


@given(st.binary(max_size=64))
def test_crc(ask: Ask, data: bytes) -> None:
    assert int(ask(f"crc {data.hex()}")) == binascii.crc_hqx(data, 0xFFFF)


# ---- configuration -----------------------------------------------------------------------------------------

configs = st.builds(
    BoardConfig,
    device_id=st.integers(1, 2**31 - 1),
    address=addresses,
    mask=addresses,
    router=addresses,
    gateway=addresses,
    gateway_port=st.integers(1, 65535),
    period_s=st.integers(1, 16383).map(lambda ticks: 4 * ticks),
    soil_codes=st.tuples(uint16, uint16).filter(lambda codes: codes[0] != codes[1]),
    light_codes=st.tuples(uint16, uint16).filter(lambda codes: codes[0] != codes[1]),
    dhcp=st.booleans(),
    deep_sleep=st.booleans(),
)


@given(configs, uint16)
def test_the_record_of_the_simulator_is_read_and_written_alike(ask: Ask, config: BoardConfig, generation: int) -> None:
    record = encode(config, generation=generation)
    assert ask(f"config {record.hex()}") == record.hex()


@given(configs, st.integers(0, 81), st.integers(1, 255))
def test_a_record_with_a_wrong_byte_is_refused(ask: Ask, config: BoardConfig, at: int, change: int) -> None:
    record = bytearray(encode(config))
    record[at] ^= change
    assert ask(f"config {record.hex()}") == "refused"


def sealed(record: bytes | bytearray) -> bytes:
    return bytes(record) + binascii.crc_hqx(bytes(record), 0xFFFF).to_bytes(2, "little")


@given(configs, st.sampled_from([(6, 4), (32, 2), (34, 2)]), uint16)
def test_values_that_cannot_be_used_are_refused(
    ask: Ask, config: BoardConfig, field: tuple[int, int], period: int
) -> None:
    at, length = field
    value = period if at == 34 else 0
    assume(at != 34 or period < 4 or period % 4)
    record = bytearray(encode(config)[:80])
    record[at : at + length] = value.to_bytes(length, "little")
    assert ask(f"config {sealed(record).hex()}") == "refused"


@given(configs, st.integers(4, 0xFFFF))
def test_flags_that_nobody_knows_are_refused(ask: Ask, config: BoardConfig, flags: int) -> None:
    record = encode(config)[:78] + flags.to_bytes(2, "little")
    assert ask(f"config {sealed(record).hex()}") == "refused"


@given(configs, uint16, st.binary(min_size=2, max_size=2))
def test_a_record_from_before_dhcp_is_one_with_a_fixed_address(
    ask: Ask, config: BoardConfig, generation: int, behind: bytes
) -> None:
    """`PKC3` was two bytes shorter; what lies behind it in the EEPROM is anything."""
    fixed = encode(replace(config, dhcp=False, deep_sleep=False), generation=generation)
    old = sealed(b"PKC3" + fixed[4:78]) + behind
    assert ask(f"config {old.hex()}") == fixed.hex()


@given(st.integers(0, 79), st.integers(1, 255))
def test_a_record_from_before_dhcp_with_a_wrong_byte_is_refused(ask: Ask, at: int, change: int) -> None:
    old = bytearray(sealed(b"PKC3" + encode(BoardConfig(7))[4:78]) + b"\xff\xff")
    old[at] ^= change
    assert ask(f"config {old.hex()}") == "refused"


def test_an_erased_eeprom_is_refused(ask: Ask) -> None:
    assert ask(f"config {'ff' * 82}") == "refused"


def test_defaults_are_the_simulators(ask: Ask) -> None:
    ours, simulators = bytes.fromhex(ask("default_config")), encode(BoardConfig(7))
    assert ours[16:80] == simulators[16:80]
    assert ours[6:10] == bytes(4)


@given(uint16, st.integers(1, 2**15 - 1), st.booleans())
def test_of_two_records_the_later_counts_and_the_next_goes_over_the_other(
    ask: Ask, generation: int, ahead: int, swapped: bool
) -> None:
    older = encode(BoardConfig(1), generation=generation)
    newer = encode(BoardConfig(2), generation=(generation + ahead) % 2**16)
    slots = (newer, older) if swapped else (older, newer)
    next_generation = (generation + ahead + 1) % 2**16
    assert ask(f"config_slots {slots[0].hex()} {slots[1].hex()}") == f"2 {int(swapped)} {next_generation}"


@given(uint16, st.integers(0, 81), st.integers(1, 255), st.integers(0, 1))
def test_a_torn_record_is_passed_over(ask: Ask, generation: int, at: int, change: int, slot: int) -> None:
    whole, torn = encode(BoardConfig(1), generation=generation), bytearray(encode(BoardConfig(2)))
    torn[at] ^= change
    slots = [bytes(torn), bytes(torn)]
    slots[slot] = whole
    assert ask(f"config_slots {slots[0].hex()} {slots[1].hex()}") == f"1 {1 - slot} {(generation + 1) % 2**16}"


def test_without_a_record_the_first_slot_is_next(ask: Ask) -> None:
    assert ask(f"config_slots {'ff' * 82} {'ff' * 82}") == "0 0 0"


# ---- boot counter ------------------------------------------------------------------------------------------


def slot(count: int) -> bytes:
    body = count.to_bytes(4, "little")
    return body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.binary(min_size=6, max_size=6))
def test_a_boot_number_is_never_given_out_twice(ask: Ask, cuts: list[int], noise: bytes) -> None:
    """Each boot writes its slot byte by byte; a cut after n bytes tears it, and the number was not used then."""
    slots = [bytearray(b"\xff" * 6), bytearray(b"\xff" * 6)]
    used: list[int] = []
    for written in cuts:
        count, at, content = ask(f"boot {bytes(slots[0] + slots[1]).hex()}").split()
        whole = bytes.fromhex(content)
        assert whole == slot(int(count))
        target = slots[int(at)]
        target[:written] = whole[:written]
        if written < 6:
            target[written] = noise[written]  # the byte in the middle of its write may hold anything
            assume(binascii.crc_hqx(bytes(target[:4]), 0xFFFF) != int.from_bytes(target[4:], "little"))
        else:
            assert int(count) > max(used, default=0)
            used.append(int(count))
    assert used == sorted(set(used))


# ---- sensors -----------------------------------------------------------------------------------------------


@given(uint16)
def test_scales_are_the_hosts(ask: Ask, code: int) -> None:
    assert int(ask(f"scaled {code & 1023} 1023 700 100")) == humidity_percent(code & 1023)
    assert int(ask(f"scaled {code} 160 800 2000")) == light_level(code)


@given(uint16, uint16, uint16, st.sampled_from([100, 2000]))
def test_any_calibration_is_linear_clamped_and_rounds_half_up(
    ask: Ask, code: int, zero: int, full: int, most: int
) -> None:
    assume(zero != full)
    exact = Fraction(code - zero, full - zero) * most
    assert int(ask(f"scaled {code} {zero} {full} {most}")) == max(0, min(most, math.floor(exact + Fraction(1, 2))))


@example([(1, 1), (1, 21_599), (1, 1), (1, 21_600)])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30_000)), min_size=1, max_size=30))
def test_a_sensor_that_stands_still_is_told_once_a_day(ask: Ask, steps: list[tuple[int, int]]) -> None:
    words, expected, tick = [], [], 0
    since, before = 0, None
    for value, gap in steps:
        tick += gap
        if value != before:
            since, before = tick, value
        told = tick - since >= 21_600
        if told:
            since = tick
        words += [str(value), str(tick)]
        expected.append(str(int(told)))
    assert ask(f"stuck {' '.join(words)}").split() == expected


@given(st.lists(uint16, min_size=1, max_size=15))
def test_median(ask: Ask, samples: list[int]) -> None:
    assert int(ask(f"median {' '.join(map(str, samples))}")) == statistics.median_high(samples)


def pulses(frame: bytes, draw: Callable[[int, int], int]) -> bytes:
    bits = [byte >> shift & 1 for byte in frame for shift in range(7, -1, -1)]
    return bytes(draw(60, 80) if bit else draw(20, 35) for bit in bits)


@given(st.integers(0, 50), st.integers(0, 90), st.data())
def test_a_dht11_frame_is_read(ask: Ask, temperature_c: int, humidity: int, data: st.DataObject) -> None:
    high_us = pulses(dht11_frame(temperature_c, humidity), lambda low, high: data.draw(st.integers(low, high)))
    assert ask(f"dht11 {high_us.hex()}") == f"0 {temperature_c * 10} {humidity * 10}"


@pytest.mark.parametrize(
    ("frame", "tenths"), [(bytes([40, 0, 5, 3]), 53), (bytes([40, 0, 5, 0x83]), -53), (bytes([40, 0, 0x85, 3]), -53)]
)
def test_tenths_and_frost(ask: Ask, frame: bytes, tenths: int) -> None:
    high_us = pulses(frame + bytes([sum(frame) & 0xFF]), lambda low, high: (low + high) // 2)
    assert ask(f"dht11 {high_us.hex()}").split()[:2] == ["0", str(tenths)]


@pytest.mark.parametrize("frame", [(40, 0, 61, 0), (40, 0, 0x80 | 21, 0), (101, 0, 21, 0)])
def test_what_no_air_can_be_is_refused(ask: Ask, frame: tuple[int, ...]) -> None:
    high_us = pulses(bytes([*frame, sum(frame) & 0xFF]), lambda low, high: (low + high) // 2)
    assert ask(f"dht11 {high_us.hex()}").split()[0] == "4"


@given(st.integers(0, 50), st.integers(0, 90), st.integers(0, 39))
def test_a_flipped_bit_is_a_wrong_checksum(ask: Ask, temperature_c: int, humidity: int, bit: int) -> None:
    high_us = bytearray(pulses(dht11_frame(temperature_c, humidity), lambda low, high: (low + high) // 2))
    high_us[bit] = 27 if high_us[bit] > 48 else 70
    assert ask(f"dht11 {high_us.hex()}").split()[0] == "3"


@given(st.integers(0, 39), st.sampled_from([0, 101, 255]))
def test_a_pulse_out_of_range_is_named(ask: Ask, bit: int, us: int) -> None:
    high_us = bytearray(pulses(dht11_frame(21, 40), lambda low, high: (low + high) // 2))
    high_us[bit] = us
    assert ask(f"dht11 {high_us.hex()}").split()[0] == "2"


# ---- message -----------------------------------------------------------------------------------------------


def request(ask: Ask, size: int = 2048, **fields: int | str) -> tuple[str, bytes]:
    names = ("id", "gateway", "port", "boot", "seq", "temperature", "humidity", "light", "age_s", "key_number", "key")
    defaults: dict[str, int | str] = {"gateway": "c000020a", "port": 8080, "age_s": 0, "key_number": 0, "key": ""}
    values = {**defaults, **fields}
    verdict, _, content = ask(f"request {size} {' '.join(str(values[name]) for name in names)}").partition(" ")
    return verdict, bytes.fromhex(content)


def test_the_golden_request(ask: Ask, pytestconfig: pytest.Config) -> None:
    golden = (pytestconfig.rootpath / "tests" / "contract" / "board_post.http").read_bytes()
    assert request(ask, id=7, boot=3, seq=42, temperature=210, humidity=40, light=900) == ("whole", golden)


@given(
    st.integers(1, 2**31 - 1), addresses, st.integers(1, 65535), uint32, uint32, st.integers(-400, 850),
    st.integers(0, 100), st.integers(0, 2000), uint32, uint16, st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_every_request_is_whole_and_says_what_it_should(
    ask: Ask, device_id: int, gateway: IPv4Address, port: int, boot: int, seq: int, temperature: int, humidity: int,
    light: int, age_s: int, key_number: int, key: bytes,
) -> None:  # fmt: skip
    verdict, content = request(
        ask, id=device_id, gateway=gateway.packed.hex(), port=port, boot=boot, seq=seq, temperature=temperature,
        humidity=humidity, light=light, age_s=age_s, key_number=key_number, key=key.hex(),
    )  # fmt: skip
    assert verdict == "whole"
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /sensor-data HTTP/1.1"
    assert headers["Host"] == f"{gateway}:{port}"
    assert headers["Idempotency-Key"] == f'"{boot}-{seq}"'
    assert int(headers["Content-Length"]) == len(body)
    expected = {"id": device_id, "temperature": temperature / 10, "humidity": humidity, "light": light}
    assert json.loads(body) == expected | ({"age_s": age_s} if age_s else {})
    if key_number:
        lowered = {name.lower(): value for name, value in headers.items()}
        assert verify("POST", "/sensor-data", lowered, body, key).key_id == f"{device_id}.{key_number}"
    else:
        assert "Signature" not in headers


def test_the_golden_signed_request(ask: Ask, pytestconfig: pytest.Config) -> None:
    golden = (pytestconfig.rootpath / "tests" / "contract" / "signed_post.http").read_bytes()
    fields = {"id": 7, "boot": 3, "seq": 42, "temperature": 210, "humidity": 40, "light": 900}
    assert request(ask, key_number=1, key=bytes(range(32)).hex(), **fields) == ("whole", golden)


def test_the_longest_request_is_whole(ask: Ask) -> None:
    verdict, content = request(
        ask, id=2**31 - 1, gateway="ffffffff", port=65535, boot=2**32 - 1, seq=2**32 - 1, temperature=-32767,
        humidity=255, light=65535, age_s=2**32 - 1, key_number=65535, key="ff" * 32,
    )  # fmt: skip
    assert verdict == "whole"
    assert content.endswith(b'{"id":2147483647,"temperature":-3276.7,"humidity":255,"light":65535,"age_s":4294967295}')
    assert b'Idempotency-Key: "4294967295-4294967295"\r\n' in content
    assert len(content) < 2048  # the W5500's transmit buffer


@given(st.integers(0, 250))
def test_a_buffer_that_is_too_small_is_told_and_not_overrun(ask: Ask, size: int) -> None:
    fields = {"id": 7, "boot": 3, "seq": 42, "temperature": 210, "humidity": 40, "light": 900}
    whole = request(ask, **fields)[1]
    verdict, content = request(ask, size=size, **fields)
    assert (verdict, content) == (("cut", content) if size <= len(whole) else ("whole", whole))
    assert len(content) < max(size, 1)


# ---- answers -----------------------------------------------------------------------------------------------

HEAD, BODY, DONE, BROKEN = range(4)


def read(ask: Ask, *pieces: bytes, close: bool = False) -> tuple[int, int]:
    words = [piece.hex() for piece in pieces if piece] + (["close"] if close else [])
    state, status, _ = ask(f"http {' '.join(words)}").split()
    return int(state), int(status)


def cut(answer: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(answer) + 1) for place in cuts})
    return [answer[a:b] for a, b in zip([0, *places], [*places, len(answer)], strict=True)]


statuses = st.integers(200, 599)
names = st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"])
others = st.lists(st.sampled_from(["Date: now", "Server: x", "Content-Lengths: 3", "X: Content-Length: 9"]), max_size=3)


@given(statuses, names, others, st.binary(max_size=60), st.lists(st.integers(0, 300), max_size=8))
def test_a_whole_answer_in_any_pieces_is_done(
    ask: Ask, status: int, name: str, more: list[str], body: bytes, cuts: list[int]
) -> None:
    lines = [f"HTTP/1.1 {status} Reason", *more, f"{name}: {len(body)}", "", ""]
    answer = "\r\n".join(lines).encode() + body
    assert read(ask, *cut(answer, cuts)) == (DONE, status)
    assert read(ask, *cut(answer, cuts), b"more") == (DONE, status)


@given(statuses, st.binary(min_size=1, max_size=60), st.data())
def test_an_answer_cut_short_is_never_done(ask: Ask, status: int, body: bytes, data: st.DataObject) -> None:
    answer = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    part = answer[: data.draw(st.integers(0, len(answer) - 1))]
    assert read(ask, part)[0] in {HEAD, BODY}
    assert read(ask, part, close=True)[0] == BROKEN


def test_without_a_length_the_close_ends_it(ask: Ask) -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\nbody"
    assert read(ask, answer) == (BODY, 200)
    assert read(ask, answer, close=True) == (DONE, 200)


def test_interim_answers_are_passed_over(ask: Ask) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert read(ask, interim) == (HEAD, 0)
    assert read(ask, interim, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == (DONE, 200)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1x200 OK\r\n", b"HTTP/1.1 20 OK\r\n", b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 099 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_broken(ask: Ask, answer: bytes) -> None:
    assert read(ask, answer)[0] == BROKEN


@given(st.integers(0, 10**7), st.sampled_from(["Retry-After", "retry-after"]), st.lists(st.integers(0, 90), max_size=5))
def test_retry_after_is_read_in_seconds(ask: Ask, seconds: int, name: str, cuts: list[int]) -> None:
    answer = f"HTTP/1.1 503 X\r\n{name}: {seconds}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    words = " ".join(piece.hex() for piece in cut(answer, cuts) if piece)
    assert ask(f"http {words}") == f"{DONE} 503 {min(seconds, 65535)}"


@pytest.mark.parametrize("value", ["Fri, 31 Dec 1999 23:59:59 GMT", "", "soon", "12 minutes"])
def test_a_retry_after_that_is_no_number_is_none(ask: Ask, value: str) -> None:
    answer = f"HTTP/1.1 503 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    assert ask(f"http {answer.hex()}") == f"{DONE} 503 0"


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_in_any_pieces_give_the_same(ask: Ask, noise: bytes, cuts: list[int]) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + noise
    assert read(ask, *cut(answer, cuts), close=True) == read(ask, answer, close=True)


# ---- text ------------------------------------------------------------------------------------------


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-32767, 32767), addresses)
def test_numbers_are_written_as_people_do(ask: Ask, number: int, tenths: int, address: IPv4Address) -> None:
    assert ask(f"text signed 20 {number}") == f"whole {number}"
    assert ask(f"text number 20 {abs(number)}") == f"whole {abs(number)}"
    assert ask(f"text hex8 20 {abs(number) & 255}") == f"whole {abs(number) & 255:02X}"
    assert float(ask(f"text tenths 20 {tenths}").split()[1]) == tenths / 10
    assert ask(f"text address 20 {address.packed.hex()}") == f"whole {address}"


def test_the_writer_stays_within_its_buffer(ask: Ask) -> None:
    assert ask("text number 4 12345") == "cut 123"
    assert ask("text number 0 12345") == "cut "
