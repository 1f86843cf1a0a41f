"""What a board is answered: the one implementation of the rules, for the hot route as for the Flask application. Pure.

Boards compare header names case-sensitively and cannot read chunked answers: every answer has a body and with it
`Content-Length`, in exactly that case (whoever writes an answer out adds it).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

from plantkeeper_proxy.errors import MessageError, OverloadedError, StoreError, TooLargeError
from plantkeeper_proxy.message import Reading

PATH = "/sensor-data"
RETRY_AFTER_S = 5


class Stored(Enum):
    """What became of a reading."""

    NEW = "new"
    REPEATED = "repeated"
    KEY_REUSED = "key reused"


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


def _json(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


TAKEN = Answer(200, _json({"message": "stored"}))


def answer_to(reading: Reading, stored: Stored) -> Answer:
    """The answer once it is known what became of a reading; a repeat is answered as the first time."""
    if stored is Stored.KEY_REUSED:
        said = f'Idempotency-Key "{reading.key}" was used by device {reading.device_id} for another reading'
        return refusal(422, said, "key_reused")
    return TAKEN


def answer_to_error(error: MessageError | StoreError) -> Answer:
    """The answer to a request that is no reading, or that could not be stored."""
    match error:
        case TooLargeError():
            return refusal(413, str(error), "too_large")
        case MessageError():
            return refusal(400, str(error), "invalid")
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
