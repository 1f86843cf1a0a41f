"""A reading on its way to the backend, and what the backend's answer means. Pure.

A 401 need not be about credentials there, nor a 500 transient (docs/backend.md): the answer's body is read too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from plantkeeper_proxy.message import quote_key

ERROR_SHOWN = 300
INTERNAL_ERROR_PAUSE_S = 60.0
NEVER_GOOD = {400, 413, 422}
UNKNOWN_SENSOR = "Sensor does not exist"
INVALID_VALUE = "invalid input syntax"


class Waiting(NamedTuple):
    """A reading that waits for the backend.

    Args:
        received_s: when the gateway took it (epoch).
    """

    reading_id: int
    device_id: int
    key: str | None
    temperature: float | None
    humidity: float | None
    light: float | None
    received_s: float

    @property
    def idempotency_key(self) -> str:
        """The board's key, or one of ours where the board sent none."""
        return quote_key(self.key if self.key is not None else f"reading-{self.reading_id}")

    def __str__(self) -> str:
        """As the log names it."""
        return f"device {self.device_id}, reading {self.reading_id}, key {self.idempotency_key}"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The backend has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may go better later.

    Args:
        after_s: what the backend asked for; None where it did not.
        device_only: it is about this device; the backend itself is well.
        untrusted: whoever answered could not prove to be the backend.
    """

    error: str
    after_s: float | None = None
    device_only: bool = False
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """The backend will never take this reading."""

    error: str


Outcome = Delivered | Retry | Reject


def internal_error(bug: Exception) -> Retry:
    """The outcome where not the backend but this program failed: it must not stop the device for ever."""
    return Retry(f"internal error: {bug!r}"[:ERROR_SHOWN], after_s=INTERNAL_ERROR_PAUSE_S)


def judge(status: int, body: bytes, retry_after_s: float | None) -> Outcome:
    """What an answer means. Only 200 is delivered; a redirect is not followed.

    Args:
        retry_after_s: what the header of this name asks for (RFC 9110 section 10.2.3), or None.
    """
    if status == 200:
        return Delivered()
    text = body.decode("utf-8", "replace")
    error = f"the backend answered {status}: {text[:ERROR_SHOWN]!r}"
    if status in NEVER_GOOD or (status == 500 and INVALID_VALUE in text):
        return Reject(error)
    unknown = status == 401 and _message(text).startswith(UNKNOWN_SENSOR)
    return Retry(error, retry_after_s, device_only=unknown)


def _message(text: str) -> str:
    """The `message` of a JSON error, or nothing."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return str(parsed.get("message", "")) if isinstance(parsed, dict) else ""
