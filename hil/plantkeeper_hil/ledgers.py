"""Turn what each place recorded into the ledgers of the conservation check. Pure.

Inputs are plain data: parsed serial events, raw HTTP exchanges, database rows and journal entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plantkeeper_hil.errors import HilError
from plantkeeper_hil.readings import Drop, Key, Record, Values
from plantkeeper_sim.events import Event


class LedgerError(HilError):
    """A place's record cannot be read as readings."""


@dataclass(frozen=True)
class Post:
    """One POST of a board as it went over the wire.

    Args:
        status: the gateway's answer; None where none came back whole.
        sent_monotonic_s: host's monotonic clock when the request's last byte left the board.
    """

    record: Record
    status: int | None
    sent_monotonic_s: float


def taken_record(device_id: int, fields: Mapping[str, str]) -> Record:
    """The reading that a `!taken` event line names.

    Raises:
        LedgerError: a field is missing or is no number.
    """
    try:
        values = Values(float(fields["temperature"]), float(fields["humidity"]), float(fields["light"]))
        return Record(device_id, Key.parse(fields["key"]), values)
    except (KeyError, ValueError) as error:
        raise LedgerError(
            f"device {device_id}: the event !taken with {dict(fields)} is not a reading: {error}; "
            "expected key, temperature, humidity and light"
        ) from error


def drops(device_id: int, events: Iterable[Event]) -> list[Drop]:
    """What a board said that it gave up, by its `!dropped` lines.

    Args:
        events: of the board, in order, from a `!boot` on.

    Raises:
        LedgerError: a line names no reading, no reason or no count, or no start came before it.
    """
    boot, found = None, []
    for event in events:
        try:
            if event.name == "boot":
                boot = int(event.fields["boot"])
            elif event.name == "dropped":
                if boot is None:
                    raise ValueError("no !boot before it")
                key, number = Key.parse(event.fields["key"]), int(event.fields["drops"])
                found.append(Drop(device_id, key, event.fields["reason"], boot, number))
        except (KeyError, ValueError) as error:
            raise LedgerError(
                f"device {device_id}: the event !{event.name} with {dict(event.fields)} cannot be read: {error!r}; "
                "expected !boot with boot, !dropped with key, reason and drops"
            ) from error
    return found


def parse_post(request: bytes, answer: bytes, sent_monotonic_s: float) -> Post:
    """Read one TCP connection of a board as a POST and its answer.

    Raises:
        LedgerError: the request is not a whole POST of a reading with an Idempotency-Key.
    """
    head, separator, body = request.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    try:
        if not separator or not lines[0].startswith("POST /sensor-data HTTP/1."):
            raise ValueError(f"request line {lines[0]!r}")
        if len(body) != int(headers["content-length"]):
            raise ValueError(f"body of {len(body)} bytes, Content-Length {headers['content-length']}")
        record = record_of(json.loads(body), headers["idempotency-key"])
    except (KeyError, ValueError, TypeError) as error:
        raise LedgerError(f"not a POST of a reading: {error!r} in {request[:300]!r}") from error
    return Post(record, answer_status(answer), sent_monotonic_s)


def answer_status(answer: bytes) -> int | None:
    """Status code of an HTTP answer, or None where there is no whole status line."""
    parts = answer.partition(b"\r\n")[0].split(b" ")
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        return None
    return int(parts[1])


def record_of(body: Mapping[str, Any], key: str) -> Record:
    """The reading in a JSON body of the wire contract, under its Idempotency-Key."""
    return Record(
        int(body["id"]),
        Key.parse(key),
        Values(*(_number(body.get(name)) for name in ("temperature", "humidity", "light"))),
    )


def stored_records(rows: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Rows of the `reading` table, in order of `id`, as records.

    Raises:
        LedgerError: a row has no key of a board's form.
    """
    return [_keyed(f"row {row['id']}", {**row, "id": row["device_id"]}, row["idempotency_key"]) for row in rows]


def delivered_entries(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The journal's entries that the backend answered with 200, in order."""
    return [entry for entry in entries if entry["status"] == 200 and entry["method"] == "PATCH"]


def delivered_records(entries: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Journal entries of the backend as records.

    Raises:
        LedgerError: an entry has no reading in it, or it writes another sensor than its path names.
    """
    records = []
    for entry in entries:
        record = _keyed(f"journal entry {entry['n']}", entry["body"], entry["idempotency_key"])
        if record.device_id != entry["sensor_id"]:
            raise LedgerError(
                f"journal entry {entry['n']}: path names sensor {entry['sensor_id']}, body {record.device_id}"
            )
        records.append(record)
    return records


def latencies_s(posts: Sequence[Post], entries: Iterable[Mapping[str, Any]]) -> dict[tuple[int, Key], float]:
    """Wall-clock seconds from a reading's first POST to the backend's first answer, by reading."""
    sent: dict[tuple[int, Key], float] = {}
    for post in posts:
        sent.setdefault((post.record.device_id, post.record.key), post.sent_monotonic_s)
    result: dict[tuple[int, Key], float] = {}
    for entry in entries:
        name = (int(entry["sensor_id"]), Key.parse(entry["idempotency_key"]))
        if name in sent and name not in result:
            result[name] = float(entry["monotonic_s"]) - sent[name]
    return result


def _keyed(place: str, body: Mapping[str, Any], key: str | None) -> Record:
    try:
        return record_of(body, key or "")
    except (KeyError, ValueError, TypeError) as error:
        raise LedgerError(f"{place} is not a board's reading: {error!r}") from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
