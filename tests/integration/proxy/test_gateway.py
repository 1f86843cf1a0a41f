"""The gateway as a process: golden bytes of boards on a real socket, rows in a real PostgreSQL."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from plantkeeper_hil.stack.clients import DatabaseClient
from plantkeeper_hil.stack.postgres import Postgres

pytestmark = pytest.mark.integration


def exchange(gateway: str, pieces: list[bytes]) -> bytes:
    """Send pieces, each in a TCP segment of its own, and read until the gateway closes."""
    host, port = gateway.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while data := connection.recv(4096):
            answer += data
    return answer


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("board_post", (7, "3-42", 21.0, 40.0, 900.0)),
        ("field_post", (7, None, 22.37000084, 316.0, 1043.75)),
    ],
)
def test_golden_requests_are_stored_as_sent(
    name: str, row: tuple[object, ...], gateway: str, database: DatabaseClient, pytestconfig: pytest.Config
) -> None:
    request = (pytestconfig.rootpath / "tests" / "contract" / f"{name}.http").read_bytes()
    lines = [line + b"\r\n" for line in request.split(b"\r\n")]
    lines[-1] = lines[-1][:-2]  # the body has no line end
    answer = exchange(gateway, lines)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.search(rb"\r\nContent-Length: (\d+)\r\n", head + b"\r\n")[1] == b"%d" % len(body)  # type: ignore[index]
    assert b"chunked" not in head.lower()
    assert body.strip() == b'{"message":"stored"}'
    [stored] = database.readings()
    values = (stored["temperature"], stored["humidity"], stored["light"])
    assert (stored["device_id"], stored["idempotency_key"], *values) == row
    assert database.waiting() == 1


def test_a_repeated_key_is_stored_once(gateway: str, database: DatabaseClient) -> None:
    for _ in range(3):
        answer = requests.post(
            f"{gateway}/sensor-data", json={"id": 7, "light": 5}, headers={"Idempotency-Key": '"1-1"'}, timeout=10
        )
        assert (answer.status_code, answer.json()) == (200, {"message": "stored"})
    changed = requests.post(
        f"{gateway}/sensor-data", json={"id": 7, "light": 6}, headers={"Idempotency-Key": '"1-1"'}, timeout=10
    )
    other = requests.post(
        f"{gateway}/sensor-data", json={"id": 8, "light": 6}, headers={"Idempotency-Key": '"1-1"'}, timeout=10
    )
    assert (changed.status_code, other.status_code) == (422, 200)
    assert [(row["device_id"], row["light"]) for row in database.readings()] == [(7, 5.0), (8, 6.0)]


def test_the_same_key_at_once_is_stored_once(gateway: str, database: DatabaseClient) -> None:
    answers: list[int] = []

    def post() -> None:
        answer = requests.post(
            f"{gateway}/sensor-data", json={"id": 7, "light": 5}, headers={"Idempotency-Key": '"1-1"'}, timeout=10
        )
        answers.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert len(database.readings()) == 1
    assert database.waiting() == 1


def test_age_moves_the_time_of_measurement(gateway: str, execute: Callable[[str], list[tuple[object, ...]]]) -> None:
    requests.post(f"{gateway}/sensor-data", json={"id": 7, "age_s": 600}, timeout=10)
    assert execute("SELECT round(extract(epoch FROM received_at - measured_at)) FROM reading") == [(600,)]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [(b"", 400, "empty"), (b"{}", 400, "id is missing"), (b"x" * 5000, 413, "4096")],
)
def test_refusals_have_content_length(gateway: str, body: bytes, status: int, said: str) -> None:
    answer = exchange(
        gateway,
        [
            b"POST /sensor-data HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body),
            body,
        ],
    )
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: %d" % len(content) in head
    assert said.encode() in content


@pytest.mark.slow
def test_it_survives_a_database_that_goes_and_comes_back(
    start_gateway: Callable[..., str], plantkeeper_db: Callable[..., object], short_folder: Path
) -> None:
    folder = short_folder
    server = Postgres(folder / "pg", log_dir=folder)
    server.start()
    try:
        dsn = server.create_database()
        plantkeeper_db("migrate", dsn=dsn)
        gateway = start_gateway(dsn)

        def post(light: int) -> int:
            return requests.post(f"{gateway}/sensor-data", json={"id": 7, "light": light}, timeout=20).status_code

        assert post(1) == 200
        server.stop()
        assert post(2) == 503
        assert requests.get(f"{gateway}/healthz", timeout=10).status_code == 200
        assert requests.get(f"{gateway}/readyz", timeout=10).status_code == 503
        server = Postgres(folder / "pg", log_dir=folder)
        server.start()
        assert post(3) == 200
        client = DatabaseClient(dsn)
        assert [row["light"] for row in client.readings()] == [1.0, 3.0]
        client.close()
    finally:
        server.stop()


def test_a_started_request_is_finished_before_it_ends(
    gateway: str, services: list[object], database: DatabaseClient
) -> None:
    host, port = gateway.removeprefix("http://").split(":")
    body = b'{"id":7}'
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /sensor-data HTTP/1.1\r\nConnection: close\r\nContent-Length: 8\r\n\r\n")
        assert requests.get(f"{gateway}/healthz", timeout=10).status_code == 200  # the first one is being worked on
        ending = threading.Thread(target=services[-1].end)  # type: ignore[attr-defined]
        ending.start()
        begun_s = time.monotonic()
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        ending.join(timeout=20)
    assert time.monotonic() - begun_s < 10
    assert len(database.readings()) == 1
