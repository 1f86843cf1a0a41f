"""What a board is answered: the one implementation of the rules, for the hot route as for the Flask application. Pure.

Boards compare header names case-sensitively and cannot read chunked answers: every answer has a body and with it
`Content-Length`, in exactly that case (whoever writes an answer out adds it).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from plantkeeper_proxy.authenticity import Claim, Policy, Refused, examine
from plantkeeper_proxy.errors import (
    MessageError,
    OverloadedError,
    StoreError,
    TooLargeError,
    TooOftenError,
)
from plantkeeper_proxy.message import Reading, parse_reading
from plantkeeper_proxy.rates import Rates

PATH = "/sensor-data"
RETRY_AFTER_S = 5
Refusal = MessageError | TooOftenError | StoreError  # why a reading was not taken


class Stored(Enum):
    """What became of a reading."""

    NEW = "new"
    REPEATED = "repeated"
    KEY_REUSED = "key reused"


Outcome = Stored | Refused


class Submission(NamedTuple):
    """A reading to be stored, and who says it is."""

    reading: Reading
    claim: Claim


@dataclass(frozen=True)
class Answer:
    """A JSON answer.

    Args:
        reason: short name of a refusal for counters, or None where the reading was taken.
        retry_after_s: when to come again; None says nothing.
    """

    status: int
    body: bytes
    reason: str | None = None
    retry_after_s: int | None = None


class Door:
    """Decides whether a request is a reading that may be stored, as far as that takes no database.

    Args:
        rates: how often devices and addresses may send.
        policy: who must sign.
        clock_s: a clock that never goes back.
    """

    def __init__(self, rates: Rates, policy: Policy, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._policy, self._clock_s = rates, policy, clock_s

    def admit(self, headers: Mapping[str, str], body: bytes, address: str | None) -> Submission | Refused:
        """The reading in a POST to `PATH`, and who says it is.

        Args:
            headers: names in lower case; values of a repeated name joined by ", ".
            body: the request's content.
            address: its sender's.

        Raises:
            MessageError: it is no reading.
            TooOftenError: its device or its address sends more than it may.
        """
        now_s = self._clock_s()
        self._rates.take_request(address, now_s)
        reading = parse_reading(body, headers.get("idempotency-key"))
        self._rates.take_reading(reading.device_id, address, now_s)
        claim = examine(self._policy, reading, method="POST", path=PATH, headers=headers, body=body)
        return claim if isinstance(claim, Refused) else Submission(reading, claim)


def _json(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


TAKEN = Answer(200, _json({"message": "stored"}))


def answer_to(submission: Submission, outcome: Outcome) -> Answer:
    """The answer once it is known what became of a reading; a repeat is answered as the first time."""
    if isinstance(outcome, Refused):
        return answer_to_refused(outcome)
    if outcome is Stored.KEY_REUSED:
        reading = submission.reading
        said = f'Idempotency-Key "{reading.key}" was used by device {reading.device_id} for another reading'
        return refusal(422, said, "key_reused")
    return TAKEN


def answer_to_refused(refused: Refused) -> Answer:
    """The answer to a reading that does not come from its device, or does not say so as it must."""
    retry_after_s = RETRY_AFTER_S if refused.status == 503 else None
    return refusal(refused.status, refused.message, refused.reason, retry_after_s)


def answer_to_error(error: Refusal) -> Answer:
    """The answer to a request that is no reading, or that could not be stored."""
    match error:
        case TooLargeError():
            return refusal(413, str(error), "too_large")
        case MessageError():
            return refusal(400, str(error), "invalid")
        case TooOftenError():
            said = f"{error}; send it again in {error.retry_after_s} s"
            return refusal(429, said, "too_often", error.retry_after_s)
        case OverloadedError():
            return refusal(503, "too many readings wait to be stored; send it again", "overloaded", RETRY_AFTER_S)
        case StoreError():
            return refusal(503, "the reading was not stored; send it again", "not_stored", RETRY_AFTER_S)


def said(answer: Answer) -> str:
    """What a refusal says."""
    return str(json.loads(answer.body)["error"])


def refusal(status: int, said: str, reason: str, retry_after_s: int | None = None) -> Answer:
    """An answer that says what is wrong."""
    return Answer(status, _json({"error": said}), reason, retry_after_s)
