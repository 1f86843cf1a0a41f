"""From a request to an answer, as the original backend was observed to give it. No I/O.

The original is a NestJS application over PostgreSQL; what looks odd here (a 401 for an unknown sensor, a 500
for a wrong type, a 200 for an empty body) is what it does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from plantkeeper_sim.backend.state import COLUMNS, Effect, State

BODY_LIMIT = 102_400
INT32_MAX = 2**31 - 1
PATH = re.compile(r"/api/v1/sensors/([^/?]+)/?")
INTEGER_COLUMNS = {"humidity", "light"}

SENSOR_UNKNOWN = "Sensor does not exist. You need to create it before updating it"
ERROR_NAMES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True)
class Request:
    """What the answer depends on."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """Status, JSON body (None: empty), and what it did.

    Args:
        sensor_id: the id in the path, where it is one.
        parsed: the request's JSON body, for the journal.
        headers: further headers of the answer.
        sent_share: how much of the answer's bytes is sent before the connection is closed; 1 sends all and keeps it.
    """

    status: int
    body: Any
    effect: Effect = Effect.NONE
    sensor_id: int | None = None
    parsed: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    sent_share: float = 1.0


def answer(request: Request, state: State) -> Answer:
    """Answer a request and carry it out."""
    path = request.path.partition("?")[0]
    match = PATH.fullmatch(path)
    if request.method != "PATCH" or match is None:
        return error(404, f"Cannot {request.method} {path}")
    if len(request.body) > BODY_LIMIT:
        return Answer(413, {"statusCode": 413, "message": "request entity too large"})
    sensor_id = int(match[1]) if re.fullmatch(r"-?[0-9]{1,18}", match[1]) else None
    try:
        parsed = parse_body(request)
    except ValueError as reason:
        return error(400, f"Unexpected token in JSON: {reason}", sensor_id=sensor_id)
    if not state.database_up:
        return Answer(500, {"statusCode": 500, "message": "Internal server error"}, sensor_id=sensor_id, parsed=parsed)
    return _write(match[1], sensor_id, parsed, state)


def parse_body(request: Request) -> Any:
    """The JSON body; None where the original's parser leaves the body alone.

    Raises:
        ValueError: not JSON. `NaN` and `Infinity` are not.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" or not request.body:
        return None

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(request.body, parse_constant=refuse)


def error(status: int, message: str, *, sensor_id: int | None = None, parsed: Any = None) -> Answer:
    """An error as NestJS writes it."""
    body = {"message": message, "error": ERROR_NAMES[status], "statusCode": status}
    return Answer(status, body, sensor_id=sensor_id, parsed=parsed)


def database_error(kind: str, value: Any, *, sensor_id: int | None, parsed: Any) -> Answer:
    """What the original answers where PostgreSQL refuses a value."""
    text = value if isinstance(value, str) else json.dumps(value)
    body = {
        "statusCode": 500,
        "message": "Database error occured",
        "error": f'invalid input syntax for type {kind}: "{text}"',
    }
    return Answer(500, body, sensor_id=sensor_id, parsed=parsed)


def _write(path_id: str, sensor_id: int | None, parsed: Any, state: State) -> Answer:
    if sensor_id is None or not -INT32_MAX - 1 <= sensor_id <= INT32_MAX:
        return database_error("integer", path_id, sensor_id=None, parsed=parsed)
    sensor = state.sensors.get(sensor_id)
    if sensor is None:
        return error(401, SENSOR_UNKNOWN, sensor_id=sensor_id, parsed=parsed)
    if not isinstance(parsed, dict) or not parsed:
        return Answer(200, sensor.as_json(), sensor_id=sensor_id, parsed=parsed)
    for name in ("id", *COLUMNS):
        if name in parsed and not _fits(name, parsed[name]):
            kind = "double precision" if name == "temperature" else "integer"
            return database_error(kind, parsed[name], sensor_id=sensor_id, parsed=parsed)
    # the original writes the row that the body names, whatever the path says
    written, effect = state.write(
        int(parsed.get("id", sensor_id)), {name: parsed[name] for name in COLUMNS if name in parsed}
    )
    return Answer(200, written.as_json(), effect, sensor_id, parsed)


def _fits(name: str, value: Any) -> bool:
    """Whether PostgreSQL takes a JSON value for a column."""
    if value is None:
        return name != "id"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not -INT32_MAX - 1 <= value <= INT32_MAX:  # false for infinity too, which 1e999 becomes
        return False
    return isinstance(value, int) or name == "temperature" or value.is_integer()
