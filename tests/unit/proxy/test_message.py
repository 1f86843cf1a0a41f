"""What the gateway accepts, what it refuses and how it says so, and what it sends on."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.errors import MessageError, TooLargeError
from plantkeeper_proxy.message import RANGES, Reading, backend_body, parse_key, parse_reading, quote_key

ids = st.integers(1, 2**31 - 1)
fields = {name: st.none() | st.floats(low, high) | st.integers(low, high) for name, (low, high) in RANGES.items()}


def parse(body: Any, key: str | None = None) -> Reading:
    return parse_reading(json.dumps(body).encode(), key)


def refusal(body: bytes) -> str | None:
    """Why a body is refused, or None where it is a reading."""
    try:
        reading = parse_reading(body, None)
    except MessageError as error:
        return str(error)
    assert 1 <= reading.device_id < 2**31
    return None


@given(ids, st.fixed_dictionaries({}, optional=fields), st.integers(0, 86_400))
def test_every_reading_in_range_is_taken_as_sent(device_id: int, values: dict[str, float | None], age_s: int) -> None:
    reading = parse({"id": device_id, "age_s": age_s, "colour": "green", **values})
    assert reading.device_id == device_id
    assert reading.values == tuple(values.get(name) for name in ("temperature", "humidity", "light"))
    assert reading.age_s == age_s


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reading_or_a_clear_refusal(body: bytes) -> None:
    said = refusal(body)
    assert said is None or said.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["id", "temperature", "humidity", "light", "age_s"]), json_values)
def test_a_refused_field_is_named(name: str, value: Any) -> None:
    body = json.dumps({"id": 7, name: value}).encode()
    said = refusal(body)
    assert said is None or name in said or "which is not JSON" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b"  ", "the body is empty"),
        (b"[1]", "the body is '[1]'; expected a JSON object"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not UTF-8 (byte 0)"),
        ('{"id":7}'.encode("utf-16"), "the body is not UTF-8 (byte 0)"),
        ('{"id":7}'.encode("utf-16-le"), "the body is not JSON"),
        ('{"id":7}'.encode("utf-32-le"), "the body is not JSON"),
        ('{"id":7}'.encode("utf-8-sig"), "the body is not JSON (Expecting value"),
        (b'{"id":7,"n":"\xff"}', "the body is not UTF-8 (byte 13)"),
        (b"[" * 4000, "the body is nested over 64 deep"),
        (b'{"id":' + b"[" * 65 + b"]" * 65 + b"}", "the body is nested over 64 deep"),
        (b'{"id":' + b"[" * 60 + b"]" * 60 + b"}", "id is [[["),
        (b'{"id":"../2"}', 'id is "../2"; expected a whole number, 1…2147483647'),
        (b'{"id":"1 "}', 'id is "1 "; expected'),
        (b'{"id":1.0}', "id is 1.0; expected"),
        (b'{"id":1e0}', "id is 1.0; expected"),
        (b'{"id":1.5}', "id is 1.5; expected"),
        (b'{"id":-1}', "id is -1; expected"),
        (b'{"id":-0}', "id is 0; expected"),
        (b'{"id":01}', "the body is not JSON"),
        (b'{"id":+1}', "the body is not JSON"),
        (b'{"id":0x1}', "the body is not JSON"),
        ('{"id":١}'.encode(), "the body is not JSON"),
        (b'{"id":[1]}', "id is [1]; expected"),
        (b'{"id":{}}', "id is {}; expected"),
        (b'{"id":null}', "id is null; expected"),
        (b'{"ID":1}', "id is missing"),
        (b'{"id":NaN}', "id is NaN, which is not JSON"),
        (b'{"id":7,"x":[1,[-Infinity]]}', "x is -Infinity, which is not JSON"),
        (b'{"id":7,"x":{"y":Infinity}}', "y is Infinity, which is not JSON"),
        (b'{"id":7,"\\ud800":NaN}', '"\\ud800" is NaN, which is not JSON'),
        (b'{"id":1' + b"0" * 4000 + b"}", "id is 1000"),
        (b'{"id":7,"light":1' + b"0" * 4000 + b"}", "light is 1000"),
        (b'{"id":7,"light":1e400}', "light is Infinity; accepted are"),
        (b'{"id":7,"light":-1e400}', "light is -Infinity; accepted are"),
        (b"{}", "id is missing; expected a whole number, 1…2147483647"),
        (b'{"id":0}', "id is 0; expected"),
        (b'{"id":2147483648}', "id is 2147483648; expected"),
        (b'{"id":"7"}', 'id is "7"; expected'),
        (b'{"id":true}', "id is true; expected"),
        (b'{"id":7.0}', "id is 7.0; expected"),
        (b'{"id":7,"id":8}', '"id" is given twice'),
        (b'{"id":7,"temperature":NaN}', "temperature is NaN, which is not JSON; expected a finite number or null"),
        (b'{"id":7,"temperature":86}', "temperature is 86; accepted are -40…85, or null"),
        (b'{"id":7,"humidity":-1}', "humidity is -1; accepted are 0…1000, or null"),
        (b'{"id":7,"light":2000.5}', "light is 2000.5; accepted are 0…2000, or null"),
        (b'{"id":7,"light":1e999}', "light is Infinity; accepted are"),
        (b'{"id":7,"light":"bright"}', 'light is "bright"; expected a number, 0…2000, or null'),
        (b'{"id":7,"light":false}', "light is false; expected a number"),
        (b'{"id":7,"age_s":-1}', "age_s is -1; expected whole seconds"),
    ],
)
def test_refusals_name_field_value_and_what_is_accepted(body: bytes, said: str) -> None:
    with pytest.raises(MessageError) as error:
        parse_reading(body, None)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":7,"x":' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"id":7,"x":"' + b"[" * 1000 + b'"}',
        b'{"id":7,"x":"\\"' + b"{" * 1000 + b'"}',
        b'{"id":7,"x":[' + b"[]," * 500 + b"[]]}",
        b' {"id": 7 }\r\n',
        b'{"\\u0069d":7}',
        b'{"id":7,"x":"\\u0000\\ud800"}',
    ],
)
def test_what_is_strange_and_yet_a_reading(body: bytes) -> None:
    assert parse_reading(body, None).device_id == 7


@given(st.integers(0, 2100), st.booleans())
def test_depth_is_bounded_and_never_a_matter_of_the_stack(depth: int, in_lists: bool) -> None:
    body = b'{"id":7,"x":' + (b"[" * depth if in_lists else b'{"x":' * depth)
    body += b"1" + (b"]" if in_lists else b"}") * depth + b"}"
    if len(body) <= 4096:
        said = refusal(body)
        assert (said is None) == (depth < 64)
        assert said is None or "nested over 64 deep" in said


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(MessageError) as error:
        parse({"id": "x" * 3000})
    assert len(str(error.value)) < 200


def test_the_limit_is_4096_bytes() -> None:
    body = b'{"id":7}'
    assert parse_reading(body.ljust(4096), None).device_id == 7
    with pytest.raises(TooLargeError, match="4097 bytes; at most 4096"):
        parse_reading(body.ljust(4097), None)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=64))
def test_keys_survive_quoting(key: str) -> None:
    assert parse_key(quote_key(key)) == key


@pytest.mark.parametrize("header", ["", "3-42", '"', '""', '"a', '"a"b', '"\x01"', '"ä"', f'"{"x" * 65}"', '"a\\b"'])
def test_keys_of_another_form_are_refused(header: str) -> None:
    with pytest.raises(MessageError, match="Idempotency-Key is"):
        parse_key(header)


@given(ids, *fields.values())
def test_the_backend_gets_what_its_columns_take(
    device_id: int, temperature: float | None, humidity: float | None, light: float | None
) -> None:
    body = json.loads(backend_body(device_id, temperature, humidity, light))
    assert list(body) == [
        "id",
        *(
            name
            for name, value in (("temperature", temperature), ("humidity", humidity), ("light", light))
            if value is not None
        ),
    ]
    assert backend_body(device_id, temperature, humidity, light) == json.dumps(body, separators=(",", ":")).encode()
    assert body["id"] == device_id
    if temperature is not None:
        assert body["temperature"] == temperature
    if humidity is not None:
        assert isinstance(body["humidity"], int)
        assert 0 <= body["humidity"] <= 100
        assert math.isclose(body["humidity"], min(humidity, 100), abs_tol=0.5)
    if light is not None:
        assert isinstance(body["light"], int)
        assert math.isclose(body["light"], light, abs_tol=0.5)


@pytest.mark.parametrize(("humidity", "sent"), [(0.5, 0), (1.5, 2), (2.5, 2), (316.0, 100), (99.5, 100)])
def test_halves_go_to_the_even_number(humidity: float, sent: int) -> None:
    assert json.loads(backend_body(1, None, humidity, None))["humidity"] == sent


def test_whole_degrees_are_written_whole() -> None:
    assert backend_body(7, 21.0, 40.0, 900.0) == b'{"id":7,"temperature":21,"humidity":40,"light":900}'
