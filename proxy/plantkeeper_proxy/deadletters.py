"""`plantkeeper-proxy deadletter list | show | retry | drop`: what the backend refused for good, in an operator's hands.

The readings themselves stay in the table `reading`, whatever is decided here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from plantkeeper_proxy.errors import UsageError
from plantkeeper_proxy.store import ReadingStore

MOST = 1_000_000
SHOWN_ERROR = 60


@dataclass(frozen=True)
class DeadLetter:
    """A reading that the backend refused for good.

    Args:
        stale: the backend has a later reading of the device: this one would set the sensor back.
    """

    reading_id: int
    device_id: int
    idempotency_key: str | None
    temperature: float | None
    humidity: float | None
    light: float | None
    received_at: datetime
    parked_at: datetime
    attempts: int
    error: str
    stale: bool


def run(options: argparse.Namespace, store: ReadingStore) -> int:
    """Carry the command out; prints what it did.

    Raises:
        UsageError: what was named is not there, or would set a sensor back in time.
        StoreError: PostgreSQL cannot be used.
    """
    match options.action:
        case "list":
            for letter in find(store, device_id=options.device, limit=options.limit):
                print(_as_json(letter) if options.json else _line(letter))
        case "show":
            [letter] = _named(store, [options.reading])
            print(json.dumps(asdict(letter), indent=2, default=_iso))
        case "retry":
            letters = _chosen(store, options)
            stale = [letter for letter in letters if letter.stale]
            if stale and not options.even_stale:
                raise UsageError(
                    f"the backend has later readings of the devices of {len(stale)} of these {len(letters)} readings, "
                    f"the first is reading {stale[0].reading_id} of device {stale[0].device_id}: sent again, it would "
                    "set the sensor back; drop it, or give --even-stale"
                )
            print(f"{_change(store, 'retry_dead_letters', letters)} readings wait again")
        case _:
            print(f"{_change(store, 'drop_dead_letters', _chosen(store, options))} dead letters dropped")
    return 0


def find(
    store: ReadingStore,
    *,
    device_id: int | None = None,
    readings: Sequence[int] | None = None,
    limit: int = MOST,
) -> list[DeadLetter]:
    """Dead letters, oldest first."""
    arguments: Mapping[str, Any] = {
        "devices": None if device_id is None else [device_id],
        "readings": None if readings is None else list(readings),
        "limit": limit,
    }
    return [DeadLetter(*row) for row in store.query("dead_letters", arguments)]


def _named(store: ReadingStore, readings: Sequence[int]) -> list[DeadLetter]:
    found = find(store, readings=readings)
    missing = set(readings) - {letter.reading_id for letter in found}
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        raise UsageError(f"no dead letter is reading {names}; `plantkeeper-proxy deadletter list` shows them")
    return found


def _chosen(store: ReadingStore, options: argparse.Namespace) -> list[DeadLetter]:
    if (bool(options.reading), options.device is not None, options.all).count(True) != 1:
        raise UsageError(f"deadletter {options.action}: name readings, or give --device or --all, one of these")
    if options.reading:
        return _named(store, options.reading)
    return find(store, device_id=options.device)


def _change(store: ReadingStore, query: str, letters: Sequence[DeadLetter]) -> int:
    if not letters:
        return 0
    count: int = store.query(query, {"readings": [letter.reading_id for letter in letters]})[0][0]
    return count


def _line(letter: DeadLetter) -> str:
    error = letter.error if len(letter.error) <= SHOWN_ERROR else f"{letter.error[:SHOWN_ERROR]}…"
    words = (
        f"reading {letter.reading_id}",
        f"device {letter.device_id}",
        f"key {letter.idempotency_key or '–'}",
        f"parked {_iso(letter.parked_at)}",
        f"attempts {letter.attempts}",
        *(("stale",) if letter.stale else ()),
        error,
    )
    return "  ".join(words)


def _as_json(letter: DeadLetter) -> str:
    return json.dumps(asdict(letter), default=_iso)


def _iso(moment: object) -> str:
    return moment.isoformat(timespec="seconds") if isinstance(moment, datetime) else str(moment)
