"""The application over a store in memory: every answer's status, body and headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from memory_store import MemoryStore

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.device_ranges import parse_ranges
from plantkeeper_proxy.ingest import Door
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.rates import Rates

EVERYBODY = Policy(parse_ranges("x", "1-2147483647"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(store: MemoryStore) -> FlaskClient:
    return create_app(store, Door(Rates(), EVERYBODY)).test_client()


def post(client: FlaskClient, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post("/sensor-data", data=data, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_a_stored_reading_is_answered_200(client: FlaskClient, store: MemoryStore) -> None:
    answer = post(client, {"id": 7, "temperature": 21}, Idempotency_Key='"3-42"')
    assert (answer.status_code, answer.json) == (200, {"message": "stored"})
    assert ("Content-Length", str(len(answer.data))) in list(answer.headers)
    assert store.readings == [Reading(7, 21.0, None, None, key="3-42")]


def test_a_repeat_is_answered_alike_and_stored_once(client: FlaskClient, store: MemoryStore) -> None:
    answers = [post(client, {"id": 7, "light": 5}, Idempotency_Key='"3-42"') for _ in range(2)]
    assert [(a.status_code, a.data) for a in answers] == [(200, answers[0].data)] * 2
    assert len(store.readings) == 1


def test_a_key_used_for_another_reading_is_a_422(client: FlaskClient) -> None:
    post(client, {"id": 7, "light": 5}, Idempotency_Key='"3-42"')
    answer = post(client, {"id": 7, "light": 6}, Idempotency_Key='"3-42"')
    assert answer.status_code == 422
    assert answer.json == {"error": 'Idempotency-Key "3-42" was used by device 7 for another reading'}


def test_a_refusal_says_why(client: FlaskClient, store: MemoryStore) -> None:
    answer = post(client, {"id": 7, "temperature": 200})
    assert answer.status_code == 400
    assert answer.json == {"error": "temperature is 200; accepted are -40…85, or null"}
    assert store.readings == []


def test_too_large_is_a_413(client: FlaskClient) -> None:
    answer = post(client, b"x" * 5000)
    assert (answer.status_code, answer.json) == (413, {"error": "the body is over 4096 bytes"})


def test_a_store_that_is_down_is_a_503_with_retry_after(client: FlaskClient, store: MemoryStore) -> None:
    store.down = "no connection"
    answer = post(client, {"id": 7})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json == {"error": "the reading was not stored; send it again"}
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json is not None
    assert (ready.json["status"], ready.json["reason"]) == ("not ready", "no connection")


def test_health_and_readiness(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz").json
    assert ready is not None
    assert (ready["status"], ready["alarms"]) == ("ready", [])


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/sensor-data", 405), ("POST", "/other", 404), ("PUT", "/sensor-data", 405)]
)
def test_other_requests_have_a_json_error(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.json is not None
    assert f"{method} {path}" in answer.json["error"]
    if status == 405:
        assert "POST" in answer.headers["Allow"]


def test_who_must_sign_is_refused_without_a_signature(store: MemoryStore) -> None:
    client = create_app(store, Door(Rates(), Policy(parse_ranges("x", "1-3")))).test_client()
    assert post(client, {"id": 3}).status_code == 200
    refused = post(client, {"id": 7})
    assert (refused.status_code, refused.json["error"]) == (
        401,
        "the reading is not signed; this gateway takes signed readings only",
    )
    malformed = post(client, {"id": 3}, Signature="sig1=:AA==:")
    assert malformed.status_code == 401
    assert [reading.device_id for reading in store.readings] == [3]


def test_a_request_is_named_by_its_sender_or_by_us(client: FlaskClient) -> None:
    assert post(client, {"id": 7}, X_Request_Id="board-7").headers["X-Request-Id"] == "board-7"
    assert "X-Request-Id" not in post(client, {"id": 7}).headers
    assert "X-Request-Id" not in post(client, {"id": 0}, X_Request_Id="not one").headers
    assert "X-Request-Id" not in client.get("/healthz").headers
    assert client.get("/readyz").headers["X-Request-Id"]


def test_alone_it_counts_what_it_answers(client: FlaskClient) -> None:
    post(client, {"id": 7}, Idempotency_Key='"1-1"')
    post(client, {"id": 7}, Idempotency_Key='"1-1"')
    post(client, {"id": 7, "light": 1}, Idempotency_Key='"1-1"')
    post(client, {"id": 0})
    text = client.get("/metrics").text
    for line in (
        "plantkeeper_readings_accepted_total 2.0",
        'plantkeeper_readings_stored_total{kind="repeated"} 1.0',
        'plantkeeper_requests_refused_total{reason="key_reused"} 1.0',
        'plantkeeper_requests_refused_total{reason="invalid"} 1.0',
    ):
        assert line in text.splitlines()
