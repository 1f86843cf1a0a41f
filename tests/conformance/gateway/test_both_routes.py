"""One set of rules: the hot route and the Flask application alone give the same answers and store the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantkeeper_proxy.message import Reading

TAKEN = {"message": "stored"}


def body_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


GOOD = {
    "this project's firmware": (b'{"id":7,"temperature":21,"humidity":40,"light":900}', (21.0, 40.0, 900.0)),
    "boards in the field": (
        b'{"id":7,"temperature":22.37000084,"humidity":316,"light":1043.75000000}',
        (22.37000084, 316.0, 1043.75),
    ),
    "a DHT11 that failed": (b'{"id":7,"temperature":null,"humidity":0,"light":0}', (None, 0.0, 0.0)),
    "the original simulator's order": (
        b'{"humidity": 40, "light": 900, "temperature": 21.5, "id": 7}',
        (21.5, 40, 900),
    ),
    "the id alone": (b'{"id":7}', (None, None, None)),
    "fields nobody knows": (b'{"id":7,"light":1,"battery":{"volts":[3.3]}}', (None, None, 1.0)),
    "spaces and a line end": (b' { "id" : 7 ,\r\n"light" : 1e2 }\r\n', (None, None, 100.0)),
    "the bounds": (b'{"id":7,"temperature":-40,"humidity":1000,"light":2000}', (-40.0, 1000.0, 2000.0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_readings_are_answered_200_and_stored_as_sent(route: Any, name: str) -> None:
    body, values = GOOD[name]
    answer = route.post(body)
    assert (answer.status, answer.json) == (200, TAKEN)
    assert route.store.readings == [Reading(7, *values)]
    assert ("Content-Length", str(len(answer.body))) in answer.headers
    assert "chunked" not in str(answer.headers).lower()


BAD = {
    "nothing": (b"", "the body is empty"),
    "spaces": (b" \r\n", "the body is empty"),
    "no JSON": (b"id=7", "the body is not JSON"),
    "half of it": (b'{"id":7', "the body is not JSON"),
    "more than one": (b'{"id":7}{"id":7}', "the body is not JSON"),
    "a list": (b'[{"id":7}]', "expected a JSON object"),
    "a number": (b"7", "the body is '7'; expected a JSON object"),
    "no id": (b'{"light":5}', "id is missing"),
    "a quoted id": (b'{"id":"1"}', 'id is "1"; expected a whole number, 1…2147483647'),
    "true": (b'{"id":true}', "id is true; expected a whole number, 1…2147483647"),
    "1.0": (b'{"id":1.0}', "id is 1.0; expected"),
    "1e0": (b'{"id":1e0}', "id is 1.0; expected"),
    "a path": (b'{"id":"../2"}', 'id is "../2"; expected'),
    "a space": (b'{"id":"1 "}', 'id is "1 "; expected'),
    "0": (b'{"id":0}', "id is 0; expected"),
    "-1": (b'{"id":-1}', "id is -1; expected"),
    "2147483648": (b'{"id":2147483648}', "id is 2147483648; expected"),
    "1.5": (b'{"id":1.5}', "id is 1.5; expected"),
    "[1]": (b'{"id":[1]}', "id is [1]; expected"),
    "{}": (b'{"id":{}}', "id is {}; expected"),
    "null": (b'{"id":null}', "id is null; expected"),
    "id twice": (b'{"id":7,"id":8}', '"id" is given twice'),
    "NaN": (b'{"id":7,"humidity":NaN}', "humidity is NaN, which is not JSON; expected a finite number or null"),
    "-Infinity": (b'{"id":7,"light":-Infinity}', "light is -Infinity, which is not JSON"),
    "1e400": (b'{"id":7,"light":1e400}', "light is Infinity; accepted are 0…2000, or null"),
    "4001 digits": (b'{"id":7,"light":1' + b"0" * 4000 + b"}", "light is 1000"),
    "an id of 4001 digits": (b'{"id":1' + b"0" * 4000 + b"}", "id is 1000"),
    "text for a number": (b'{"id":7,"light":"5"}', 'light is "5"; expected a number, 0…2000, or null'),
    "too hot": (b'{"id":7,"temperature":85.01}', "temperature is 85.01; accepted are -40…85, or null"),
    "deep lists": (b"[" * 4000, "nested over 64 deep"),
    "deep objects": (b'{"a":' * 800, "nested over 64 deep"),
    "Latin-1": ('{"id":7,"x":"ä"}'.encode("latin-1"), "the body is not UTF-8"),
    "UTF-16": ('{"id":7}'.encode("utf-16"), "the body is not UTF-8"),
    "a byte order mark": ('{"id":7}'.encode("utf-8-sig"), "the body is not JSON"),
    "NUL": (b'{"id":7}\0', "the body is not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reading_is_a_400_that_says_why(route: Any, name: str) -> None:
    body, said = BAD[name]
    answer = route.post(body)
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert said in answer.json["error"]
    assert len(answer.json["error"]) < 250
    assert ("Content-Length", str(len(answer.body))) in answer.headers
    assert route.store.readings == []


@pytest.mark.parametrize("path", ["/sensor-data", "/healthz", "/nowhere"])
def test_a_body_over_the_limit_is_a_413_wherever_it_goes(route: Any, path: str) -> None:
    answer = route.ask("POST", path, b" " * 4097)
    assert (answer.status, answer.json) == (413, {"error": "the body is over 4096 bytes"})
    assert route.store.readings == []


def test_4096_bytes_are_taken(route: Any) -> None:
    assert route.post(b'{"id":7}'.ljust(4096)).status == 200
    assert route.store.readings == [Reading(7, None, None, None)]


def test_keys(route: Any) -> None:
    for _ in range(2):
        assert route.post(body_of(id=7, light=5), Idempotency_Key='"3-42"').json == TAKEN
    reused = route.post(body_of(id=7, light=6), Idempotency_Key='"3-42"')
    assert (reused.status, reused.json) == (
        422,
        {"error": 'Idempotency-Key "3-42" was used by device 7 for another reading'},
    )
    assert route.post(body_of(id=8, light=6), Idempotency_Key='"3-42"').json == TAKEN
    for wrong in ("3-42", '""', '"a" "b"', '"ä"'):
        refused = route.post(body_of(id=9), Idempotency_Key=wrong)
        assert refused.status == 400
        assert "Idempotency-Key is" in refused.json["error"]
    assert [(reading.device_id, reading.key) for reading in route.store.readings] == [(7, "3-42"), (8, "3-42")]


def test_a_key_in_two_headers_is_no_key(route: Any) -> None:
    answer = route.ask(
        "POST", "/sensor-data", body_of(id=7), [("Idempotency-Key", '"1-1"'), ("Idempotency-Key", '"1-2"')]
    )
    assert answer.status == 400
    assert route.store.readings == []


def test_a_name_with_an_underscore_is_another_name(route: Any) -> None:
    for path in ("/sensor-data", "/sensor%2Ddata"):
        answer = route.ask("POST", path, body_of(id=7), [("Idempotency_Key", '"1-1"')])
        assert answer.status == 200
    assert [reading.key for reading in route.store.readings] == [None, None]


def test_a_store_that_is_down_is_a_503_with_retry_after(route: Any) -> None:
    route.store.down = "no connection"
    answer = route.post(b'{"id":7}')
    assert (answer.status, answer.json) == (503, {"error": "the reading was not stored; send it again"})
    assert ("Retry-After", "5") in answer.headers
    assert route.post(b'{"id":0}').status == 400


def test_a_device_that_sends_too_often_is_a_429_with_retry_after(limited_route: Any) -> None:
    route = limited_route
    for _ in range(60):
        assert route.post(b'{"id":7}').status == 200
    answer = route.post(b'{"id":7}')
    assert (answer.status, answer.json) == (
        429,
        {"error": "over 60 readings a minute from device 7; send it again in 1 s"},
    )
    assert ("Retry-After", "1") in answer.headers
    assert route.post(b'{"id":8}').status == 200  # another device
    assert route.post(b'{"id":7,"light":-1}').status == 400
    route.now_s += 1.0
    assert route.post(b'{"id":7}').status == 200
    assert len(route.store.readings) == 62


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/sensor-data", 405),
        ("HEAD", "/sensor-data", 405),
        ("PUT", "/sensor-data", 405),
        ("TRACE", "/sensor-data", 405),
        ("OPTIONS", "/sensor-data", 200),
        ("POST", "/sensor-data?x=1", 200),
        ("POST", "/sensor%2ddata", 200),
        ("POST", "/sensor-data/", 404),
        ("POST", "/Sensor-Data", 404),
        ("POST", "/x/../sensor-data", 404),
        ("POST", "/sensor-data;x", 404),
        ("POST", "/sensor-data%00", 404),
        ("POST", "/%ff%fe", 404),
        ("GET", "/healthz", 200),
    ],
)
def test_other_requests(route: Any, method: str, target: str, status: int) -> None:
    answer = route.ask(method, target, b'{"id":7}' if method == "POST" else b"")
    assert answer.status == status
    assert len(route.store.readings) == (method == "POST" and status == 200)
    if status == 405:
        assert ("Allow", "OPTIONS, POST") in [(name, ", ".join(sorted(v.split(", ")))) for name, v in answer.headers]


ids = st.integers(-1, 3) | st.sampled_from([2**31 - 1, 2**31, "1", 1.0, True, None, [1]])
numbers = (
    st.none() | st.floats(-100, 2100) | st.integers(-100, 2100) | st.floats() | st.text(max_size=3) | st.booleans()
)
objects = st.fixed_dictionaries(
    {}, optional={"id": ids, "temperature": numbers, "humidity": numbers, "light": numbers, "age_s": numbers}
).map(lambda fields: json.dumps(fields).encode())
mutated = st.tuples(objects, st.integers(0, 100), st.binary(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)
bodies = objects | mutated | st.binary(max_size=60) | st.just(b" " * 5000)
methods = st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
odd_paths = st.text(st.sampled_from("/sensor-data%2D?x=_.~;0"), max_size=20).map(lambda text: "/" + text.lstrip("/"))
targets = st.sampled_from(["/sensor-data"] * 6 + ["/sensor-data?a=b", "/sensor%2Ddata", "/healthz", "/"]) | odd_paths
header_values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
headers = st.lists(
    st.tuples(st.sampled_from(["Idempotency-Key", "Content-Type", "X-Forwarded-For", "Accept"]), header_values)
    | st.sampled_from([("Idempotency-Key", f'"1-{n}"') for n in range(3)]),
    max_size=3,
)
asked = st.lists(st.tuples(methods, targets, bodies, headers), min_size=1, max_size=3)


@pytest.mark.slow
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked)
def test_both_routes_answer_and_store_alike(both: tuple[Any, Any], asked: list[tuple[str, str, bytes, Any]]) -> None:
    hot, flask = both
    for route in both:
        route.reset()
    for request in asked:
        one, other = hot.ask(*request), flask.ask(*request)
        assert (one.status, one.body) == (other.status, other.body)
        assert one.interesting == other.interesting
        assert one.status < 500
    assert repr(hot.store.readings) == repr(flask.store.readings)
