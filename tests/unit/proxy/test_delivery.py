"""What the backend's answers mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.delivery import Delivered, Outcome, Reject, Retry, judge

UNKNOWN = b'{"message":"Sensor does not exist. You need to create it before updating it","statusCode":401}'


def judged(status: int, body: bytes = b"", retry_after_s: float | None = None) -> Outcome:
    return judge(status, body, retry_after_s)


def test_only_200_is_delivered() -> None:
    assert judged(200) == Delivered()
    for status in (201, 204, 301, 308, 401, 404, 409, 429, 500, 502, 503, 504):
        assert isinstance(judged(status, b"Internal server error"), Retry)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_can_never_be_right_is_rejected(status: int) -> None:
    assert isinstance(judged(status, b"x"), Reject)


def test_a_500_about_a_value_is_rejected_and_another_is_not() -> None:
    assert isinstance(judged(500, b'{"error":"invalid input syntax for type integer"}'), Reject)
    assert isinstance(judged(500, b'{"message":"Internal server error"}'), Retry)


def test_a_401_about_the_sensor_says_nothing_about_the_backend() -> None:
    unknown, refused = judged(401, UNKNOWN), judged(401, b'{"message":"Unauthorized"}')
    assert isinstance(unknown, Retry)
    assert isinstance(refused, Retry)
    assert (unknown.device_only, refused.device_only) == (True, False)


@given(st.integers(100, 599), st.binary(max_size=200), st.none() | st.floats(0, 1e9))
def test_any_answer_means_something(status: int, body: bytes, retry_after_s: float | None) -> None:
    outcome = judged(status, body, retry_after_s)
    assert isinstance(outcome, Delivered | Retry | Reject)
    if isinstance(outcome, Retry):
        assert outcome.after_s == retry_after_s
