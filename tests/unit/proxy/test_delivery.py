"""What the backend's answers mean."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.delivery import Delivered, Outcome, Reject, Retry, judge

NOW_S = 1_700_000_000.0
UNKNOWN = b'{"message":"Sensor does not exist. You need to create it before updating it","statusCode":401}'


def judged(status: int, body: bytes = b"", retry_after: str | None = None) -> Outcome:
    return judge(status, body, retry_after, epoch_s=NOW_S)


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


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("9" * 400, 999_999_999.0),
        ("\u0667", None),
        (formatdate(NOW_S + 90, usegmt=True), 90.0),
        (formatdate(NOW_S - 90, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_read(header: str | None, after_s: float | None) -> None:
    assert judged(503, b"", header) == Retry("the backend answered 503: ''", after_s)


@given(st.integers(100, 599), st.binary(max_size=200), st.none() | st.text(max_size=30))
def test_any_answer_means_something(status: int, body: bytes, retry_after: str | None) -> None:
    assert isinstance(judged(status, body, retry_after), Delivered | Retry | Reject)
