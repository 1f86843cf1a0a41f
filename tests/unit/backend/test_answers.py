"""The mock's answers, row by row as the original backend gave them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.backend.answers import Answer, Request, answer
from plantkeeper_sim.backend.state import Effect, State

START = datetime(2026, 5, 1, 12, 0, 0, 123456, UTC)
JSON = {"content-type": "application/json"}


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def state() -> State:
    made = State(now=Clock())
    made.add([1, 7])
    return made


def patch(state: State, body: Any, path: str = "/api/v1/sensors/7", headers: dict[str, str] = JSON) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(Request("PATCH", path, headers, raw), state)


GOOD = {"id": 7, "temperature": 21.5, "humidity": 40, "light": 900}


def test_a_good_patch_answers_the_sensor(state: State) -> None:
    given_ = patch(state, GOOD)
    assert (given_.status, given_.effect, given_.sensor_id) == (200, Effect.APPLIED, 7)
    assert given_.body == {
        "id": 7,
        "userId": 1,
        "name": "Sensor 7",
        "remark": None,
        "humidity": 40,
        "light": 900,
        "temperature": 21.5,
        "createdAt": "2026-05-01T12:00:02.123Z",
        "updatedAt": "2026-05-01T12:00:03.123Z",
        "lastAlert": None,
    }
    assert list(given_.body) == [
        *("id", "userId", "name", "remark", "humidity", "light"),
        *("temperature", "createdAt", "updatedAt", "lastAlert"),
    ]


def test_the_same_patch_again_leaves_updated_at(state: State) -> None:
    first, second = patch(state, GOOD), patch(state, GOOD)
    assert second.effect is Effect.UNCHANGED
    assert second.body == first.body


def test_a_field_left_out_keeps_its_value(state: State) -> None:
    patch(state, GOOD)
    assert patch(state, {"id": 7, "light": 5}).body["humidity"] == 40


@pytest.mark.parametrize("sensor_id", [2, 0, -1])
def test_an_unknown_sensor_is_a_401(state: State, sensor_id: int) -> None:
    given_ = patch(state, {**GOOD, "id": sensor_id}, f"/api/v1/sensors/{sensor_id}")
    assert (given_.status, given_.effect) == (401, Effect.NONE)
    assert given_.body == {
        "message": "Sensor does not exist. You need to create it before updating it",
        "error": "Unauthorized",
        "statusCode": 401,
    }


@pytest.mark.parametrize("path_id", ["abc", "1.5", "2147483648", "99999999999999999999"])
def test_a_path_id_that_is_no_int32_is_a_500(state: State, path_id: str) -> None:
    given_ = patch(state, GOOD, f"/api/v1/sensors/{path_id}")
    assert given_.status == 500
    assert given_.body == {
        "statusCode": 500,
        "message": "Database error occured",
        "error": f'invalid input syntax for type integer: "{path_id}"',
    }


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("humidity", 40.5, "integer"),
        ("light", "abc", "integer"),
        ("temperature", "warm", "double precision"),
        ("humidity", True, "integer"),
        ("light", 1e300, "integer"),
        ("id", "7", "integer"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_500_and_stores_nothing(state: State, field: str, value: Any, kind: str) -> None:
    given_ = patch(state, {**GOOD, field: value})
    assert (given_.status, given_.effect) == (500, Effect.NONE)
    assert given_.body["error"].startswith(f"invalid input syntax for type {kind}: ")
    assert state.sensors[7].temperature is None


def test_another_id_in_the_body_writes_that_row(state: State) -> None:
    assert patch(state, {**GOOD, "id": 1}).effect is Effect.APPLIED
    assert (state.sensors[1].light, state.sensors[7].light) == (900, None)
    assert patch(state, {**GOOD, "id": 55}).effect is Effect.INSERTED
    assert state.sensors[55].light == 900


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"", JSON), ({}, JSON), ([GOOD], JSON), (GOOD, {"content-type": "text/plain"}), (GOOD, {})],
)
def test_no_object_is_a_200_that_stores_nothing(state: State, body: Any, headers: dict[str, str]) -> None:
    given_ = patch(state, body, headers=headers)
    assert (given_.status, given_.effect, given_.body["light"]) == (200, Effect.NONE, None)


@pytest.mark.parametrize("body", [b"{", b"x", b'{"id":NaN}', b'{"light":Infinity}', b"\xff"])
def test_what_is_not_json_is_a_400(state: State, body: bytes) -> None:
    given_ = patch(state, body)
    assert (given_.status, given_.body["error"], given_.body["statusCode"]) == (400, "Bad Request", 400)
    assert given_.body["message"].startswith("Unexpected token")


def test_a_body_over_the_limit_is_a_413(state: State) -> None:
    padding = b" " * (102_400 - len(json.dumps(GOOD)))
    assert patch(state, json.dumps(GOOD).encode() + padding).status == 200
    given_ = patch(state, json.dumps(GOOD).encode() + padding + b" ")
    assert (given_.status, given_.body) == (413, {"statusCode": 413, "message": "request entity too large"})


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/v1/sensors/1"), ("PATCH", "/api/v1/sensors"), ("GET", "/")])
def test_other_methods_and_paths_are_a_404(state: State, method: str, path: str) -> None:
    given_ = answer(Request(method, path, JSON, b"{}"), state)
    assert given_.status == 404
    assert given_.body == {"message": f"Cannot {method} {path}", "error": "Not Found", "statusCode": 404}


def test_a_database_that_is_down_is_a_500(state: State) -> None:
    state.database_up = False
    given_ = patch(state, GOOD)
    assert (given_.status, given_.body) == (500, {"statusCode": 500, "message": "Internal server error"})


@given(st.binary(max_size=200), st.sampled_from([JSON, {}]))
def test_every_body_has_an_answer(body: bytes, headers: dict[str, str]) -> None:
    state = State(now=Clock())
    state.add([7])
    assert patch(state, body, headers=headers).status in {200, 400, 500}
