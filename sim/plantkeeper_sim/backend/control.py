"""The mock's own pages under `/_mock/`, for the harness only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from plantkeeper_sim.backend import faults
from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.journal import Journal
from plantkeeper_sim.backend.state import State
from plantkeeper_sim.errors import BackendError

PREFIX = "/_mock/"
MAX_COUNT = 1_000_000


class Control:
    """Journal, counters, sensors, and the fault that is on."""

    def __init__(self, state: State, journal: Journal) -> None:
        self._state, self._journal = state, journal
        self._fault: faults.Fault | None = None
        self._left = 0

    def take_fault(self) -> faults.Fault | None:
        """The fault that meets the next request, if one is on."""
        if self._fault is None or self._left <= 0:
            return None
        self._left -= 1
        return self._fault

    def answer(self, request: Request) -> Answer:
        """Answer a request for one of the pages."""
        parts = urlsplit(request.path)
        page = parts.path.removeprefix(PREFIX)
        pages: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "journal"): lambda: self._read_journal(parse_qs(parts.query)),
            ("GET", "stats"): self._journal.stats,
            ("GET", "sensors"): lambda: [sensor.as_json() for _, sensor in sorted(self._state.sensors.items())],
            ("POST", "sensors"): lambda: self._add_sensors(request.body),
            ("POST", "fault"): lambda: self._set_fault(request.body),
            ("GET", "fault"): lambda: {"left": self._left},
            ("DELETE", "fault"): self._clear_fault,
            ("POST", "database"): lambda: self._set_database(request.body),
        }
        action = pages.get((request.method, page))
        if action is None:
            known = ", ".join(f"{method} {PREFIX}{name}" for method, name in pages)
            return Answer(404, {"error": f"no page {request.method} {parts.path}; there are {known}"})
        try:
            return Answer(200, action())
        except (BackendError, ValueError) as error:
            return Answer(400, {"error": str(error)})

    def _read_journal(self, query: dict[str, list[str]]) -> dict[str, Any]:
        entries = self._journal.after(int(query.get("after", ["0"])[0]))
        return {"entries": entries, "last": len(self._journal.entries)}

    def _add_sensors(self, body: bytes) -> dict[str, Any]:
        ids = _object(body).get("ids")
        if not isinstance(ids, list) or not all(type(number) is int and number > 0 for number in ids):
            raise BackendError(f'"ids" is {ids!r}; expected a list of whole numbers above 0')
        self._state.add(ids)
        return {"ids": ids}

    def _set_fault(self, body: bytes) -> dict[str, Any]:
        wanted = _object(body)
        name, count = wanted.pop("name", ""), wanted.pop("count", 1)
        if not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
            raise BackendError(f"fault count {count!r}; expected 1…{MAX_COUNT}")
        self._fault, self._left = faults.make(str(name), wanted), count
        return {"name": name, "count": count}

    def _clear_fault(self) -> dict[str, Any]:
        self._fault, self._left = None, 0
        return {}

    def _set_database(self, body: bytes) -> dict[str, Any]:
        up = _object(body).get("up")
        if not isinstance(up, bool):
            raise BackendError(f'database "up" is {up!r}; expected true or false')
        self._state.database_up = up
        return {"up": up}


def _object(body: bytes) -> dict[str, Any]:
    parsed = json.loads(body or b"{}")
    if not isinstance(parsed, dict):
        raise BackendError("expected a JSON object")
    return parsed
