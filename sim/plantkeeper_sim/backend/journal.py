"""Every request that the backend got, in order, with what it did; repeats and steps back are counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.state import Effect

# "<boot>-<seq>" of our firmware, "reading-<row>" where the board sent no key: both grow
KEY = re.compile(r'"?(?:reading-([0-9]+)|([0-9]+)-([0-9]+))"?')
WRITTEN = {Effect.APPLIED, Effect.UNCHANGED, Effect.INSERTED}


def rank(key: str | None) -> tuple[int, ...] | None:
    """What a key is ordered by; None for one of no known form."""
    match = KEY.fullmatch(key or "")
    if match is None:
        return None
    return tuple(int(number) for number in match.groups() if number is not None)


@dataclass(frozen=True)
class Entry:
    """One request.

    Args:
        n: from 1.
        monotonic_s: CLOCK_MONOTONIC at the end of the request; all processes of a machine share it.
        time_s: seconds since the epoch.
        duplicate: a request with this key was carried out before.
        reordered: the key is below the highest that was carried out for the sensor.
    """

    n: int
    monotonic_s: float
    time_s: float
    method: str
    path: str
    sensor_id: int | None
    idempotency_key: str | None
    body: Any
    status: int
    effect: str
    duplicate: bool
    reordered: bool


class Journal:
    """The entries, kept in memory and, where wanted, appended to a file as JSON lines."""

    def __init__(self, file: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._file: TextIO | None = None if file is None else file.open("a", buffering=1, encoding="utf-8")
        self._carried_out: dict[int, set[str]] = {}
        self._highest: dict[int, tuple[int, ...]] = {}

    def record(self, request: Request, answer: Answer, *, monotonic_s: float, time_s: float) -> Entry:
        """Add a request and its answer."""
        key = request.headers.get("idempotency-key")
        written = answer.status == 200 and answer.effect in WRITTEN and answer.sensor_id is not None
        duplicate, reordered = self._compare(answer.sensor_id, key) if written else (False, False)
        entry = Entry(
            n=len(self.entries) + 1,
            monotonic_s=monotonic_s,
            time_s=time_s,
            method=request.method,
            path=request.path,
            sensor_id=answer.sensor_id,
            idempotency_key=key,
            body=answer.parsed,
            status=answer.status,
            effect=answer.effect.value,
            duplicate=duplicate,
            reordered=reordered,
        )
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(vars(entry)) + "\n")
        return entry

    def _compare(self, sensor_id: int | None, key: str | None) -> tuple[bool, bool]:
        position = rank(key)
        if sensor_id is None or key is None or position is None:
            return False, False
        seen = self._carried_out.setdefault(sensor_id, set())
        highest = self._highest.get(sensor_id)
        comparable = highest is not None and len(highest) == len(position)
        duplicate, reordered = key in seen, comparable and highest is not None and position < highest
        seen.add(key)
        if not reordered:
            self._highest[sensor_id] = position
        return duplicate, reordered

    def stats(self) -> dict[str, Any]:
        """Counters over all entries."""
        return {
            "requests": len(self.entries),
            "applied": sum(entry.effect != Effect.NONE.value for entry in self.entries),
            "duplicates": sum(entry.duplicate for entry in self.entries),
            "reordered": sum(entry.reordered for entry in self.entries),
            "by_status": {
                str(status): count for status, count in sorted(Counter(e.status for e in self.entries).items())
            },
        }

    def after(self, n: int) -> list[dict[str, Any]]:
        """Entries from number `n` + 1 on, as JSON."""
        return [dict(vars(entry)) for entry in self.entries[max(0, n) :]]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
