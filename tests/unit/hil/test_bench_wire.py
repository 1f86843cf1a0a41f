"""The bytes of the benchmark's boards, against the golden messages of boards."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.bench.gateway.wire import Posting, body, posting_for, request

CONTRACT = Path(__file__).parents[2] / "contract"


def names(message: bytes) -> list[bytes]:
    return [line.split(b":")[0] for line in message.split(b"\r\n\r\n")[0].split(b"\r\n")]


def test_the_fields_request_has_the_golden_headers_in_their_order() -> None:
    assert names(request(1, Posting("close", "field", host=False))) == names(
        (CONTRACT / "field_post.http").read_bytes()
    )


def test_the_firmwares_request_has_the_golden_headers_in_their_order() -> None:
    assert names(request(1, Posting("close", "firmware"))) == names((CONTRACT / "board_post.http").read_bytes())


def test_a_kept_connection_is_not_asked_to_close() -> None:
    for wire in ("field", "firmware"):
        assert b"Connection" not in request(5, Posting("keep", wire))


@given(st.integers(1, 10_000_000), st.sampled_from(["field", "firmware"]), st.integers(1, 5000))
def test_every_reading_is_one_that_the_gateway_takes(n: int, wire: str, devices: int) -> None:
    posting = Posting("close", wire, devices=devices)  # type: ignore[arg-type]
    head, _, text = request(n, posting).partition(b"\r\n\r\n")
    reading = json.loads(text)
    assert 1 <= reading["id"] <= devices
    assert -40 <= reading["temperature"] <= 85
    assert 0 <= reading["humidity"] <= 1000
    assert 0 <= reading["light"] <= 2000
    assert f"Content-Length: {len(text)}".encode() in head


@given(st.integers(1, 4_000_000), st.integers(1, 4_000_000), st.sampled_from(["field", "firmware"]))
def test_readings_are_distinct(one: int, other: int, wire: str) -> None:
    posting = Posting("close", wire, devices=1000)  # type: ignore[arg-type]
    assert (body(one, posting) == body(other, posting)) == (one == other)


def test_a_host_goes_along_only_where_a_server_needs_it_or_the_firmware_sends_it() -> None:
    for wire, needs_host, sent in (("field", False, False), ("field", True, True), ("firmware", False, True)):
        given_ = posting_for(Posting("close", wire), needs_host=needs_host, devices=7, boot=3)  # type: ignore[arg-type]
        assert (given_.host, given_.devices, given_.boot) == (sent, 7, 3)
        assert (b"Host: " in request(1, given_)) == sent
