"""Health, metrics, logs, start and stop of the real processes, with a database that is wrong, absent, or hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_hil.stack.service import Service
from plantkeeper_sim.backend import tls

pytestmark = pytest.mark.integration
DEADLINE_S = 30.0
TOKEN = "0123456789-abcdef"


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not happen within {DEADLINE_S} s"
        time.sleep(0.02)


def post(gateway: str, seq: int, *, device_id: int = 1, session: Any = requests, **headers: str) -> int:
    headers = {"Idempotency-Key": f'"1-{seq}"', **headers}
    answer = session.post(
        f"{gateway}/sensor-data", json={"id": device_id, "light": seq % 2000}, headers=headers, timeout=20
    )
    return int(answer.status_code)


def health(gateway: str) -> tuple[int, dict[str, Any]]:
    answer = requests.get(f"{gateway}/readyz", timeout=20)
    return answer.status_code, answer.json()


def metric(gateway: str, name: str) -> float | None:
    for line in requests.get(f"{gateway}/metrics", timeout=20).text.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")):
            return float(line.rsplit(" ", 1)[1])
    return None


def lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


@pytest.fixture
def own_postgres(short_folder: Path) -> Iterator[Postgres]:
    server = Postgres(short_folder / "pg", log_dir=short_folder)
    server.start()
    yield server
    server.stop()


# ---- start -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "forward"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "the schema is at revision none, this gateway needs"),
        ("UPDATE alembic_version SET version_num = '0001'", "the schema is at revision 0001, this gateway needs"),
    ],
)
def test_a_wrong_schema_is_refused_at_the_start(
    command: str,
    change: str | None,
    said: str,
    empty_dsn: str,
    database_dsn: str,
    execute: Callable[[str], object],
) -> None:
    if change:
        execute(change)
    ended = subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", command],
        env={
            "PLANTKEEPER_DATABASE_DSN": database_dsn if change else empty_dsn,
            "PLANTKEEPER_BACKEND_URL": "https://localhost:1",
            "PLANTKEEPER_LISTEN_PORT": "0",
            "PLANTKEEPER_SIGNATURES": "legacy",
            "PLANTKEEPER_LEGACY_DEVICES": "1-9",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "run plantkeeper-db migrate" in ended.stderr


@pytest.mark.slow
def test_it_starts_before_its_database(
    start_gateway: Callable[..., str],
    services: list[Service],
    own_postgres: Postgres,
    plantkeeper_db: Callable[..., object],
    short_folder: Path,
) -> None:
    dsn, empty = own_postgres.create_database(), own_postgres.create_database("empty")
    plantkeeper_db("migrate", dsn=dsn)
    own_postgres.stop()
    gateway = start_gateway(dsn)
    hopeless = start_gateway(empty)
    status, told = health(gateway)
    assert (status, told["status"], told["database"]) == (503, "not ready", "down")
    assert told["alarms"][0].startswith("Readings cannot be taken: cannot connect to PostgreSQL")
    assert requests.get(f"{gateway}/healthz", timeout=10).json() == {"status": "ok"}
    assert post(gateway, 1) == post(hopeless, 1) == 503
    assert metric(gateway, "plantkeeper_database_up") == 0
    assert metric(gateway, 'plantkeeper_requests_refused_total{reason="not_stored"}') == 1
    server = Postgres(short_folder / "pg", log_dir=short_folder)
    server.start()
    try:
        wait_for(lambda: health(gateway)[0] == 200, "the gateway to be ready")
        assert post(gateway, 1) == 200
        assert services[1].process.wait(timeout=DEADLINE_S) == 2  # the other one found a database without a schema
        assert "run plantkeeper-db migrate" in services[1].log.read_text()
    finally:
        services[0].end()
        server.stop()


# ---- health and metrics ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_certificate_that_is_refused_is_an_alarm_and_the_gateway_stays_in_service(
    gateway: str, backend: BackendClient, start_forwarder: Callable[..., Service], tmp_path: Path
) -> None:
    status, told = health(gateway)
    assert (status, told["status"]) == (200, "degraded")
    assert any("No forwarder was seen" in alarm for alarm in told["alarms"])
    tls.issue(tmp_path / "other")
    wrong = start_forwarder(PLANTKEEPER_BACKEND_CA=str(tmp_path / "other" / "ca.pem"))
    assert post(gateway, 1) == 200
    wait_for(lambda: "certificate" in str(health(gateway)[1]["alarms"]), "the alarm")
    status, told = health(gateway)
    assert (status, told["status"]) == (200, "degraded")
    assert told["certificate"]["state"].startswith("refused: ")
    assert told["backlog"]["readings"] == 1
    assert metric(gateway, "plantkeeper_forwarder_certificate_ok") == 0
    assert metric(gateway, "plantkeeper_backlog_readings") == 1
    assert backend.journal() == []
    wrong.end()
    start_forwarder()
    wait_for(lambda: len(backend.journal()) == 1, "delivery")


def test_readings_outside_their_months_are_an_alarm(gateway: str, execute: Callable[[str], object]) -> None:
    execute("INSERT INTO reading (device_id, measured_at, received_at) VALUES (1, now(), '1999-01-01')")
    execute(
        "DO $$ BEGIN EXECUTE 'DROP TABLE reading_' "
        "|| to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM'); END $$"
    )
    status, told = health(gateway)
    assert (status, told["status"]) == (200, "degraded")
    assert any("reading_default" in alarm for alarm in told["alarms"])
    assert any("Next month has no partition" in alarm for alarm in told["alarms"])


def test_silent_devices_are_counted(gateway: str, execute: Callable[[str], object]) -> None:
    execute("INSERT INTO device (id) VALUES (1), (2), (3), (4)")
    execute(
        "INSERT INTO reading (device_id, measured_at, received_at) VALUES (1, now(), now()),"
        " (2, now(), now() - interval '1799 seconds'), (3, now(), now() - interval '1801 seconds'), (9, now(), now())"
    )
    assert metric(gateway, "plantkeeper_devices_known") == 4
    assert metric(gateway, "plantkeeper_devices_silent") == 2


def test_a_sender_behind_a_trusted_proxy_has_an_allowance_of_his_own(
    start_gateway: Callable[..., str], database_dsn: str, services: list[Service]
) -> None:
    limit = {"PLANTKEEPER_RATE_DEVICE_PER_MINUTE": "1"}

    def sent(address: str) -> dict[str, Any]:
        return {"X-Forwarded-For": address}

    trusting = start_gateway(database_dsn, PLANTKEEPER_TRUSTED_PROXIES="127.0.0.0/8", **limit)
    assert post(trusting, 1, **sent("192.0.2.1")) == 200
    assert post(trusting, 2, **sent("192.0.2.1")) == 429
    assert post(trusting, 3, **sent("192.0.2.1, 192.0.2.2")) == 200
    assert post(trusting, 4) == 200
    assert [line.get("address") for line in lines(services[-1]) if line.get("status") == 429] == ["192.0.2.1"]
    careful = start_gateway(database_dsn, **limit)
    assert post(careful, 5, **sent("192.0.2.1")) == 200
    assert post(careful, 6, **sent("192.0.2.2")) == 429


@pytest.mark.slow
def test_a_database_that_hangs_hangs_no_page(
    start_gateway: Callable[..., str], own_postgres: Postgres, plantkeeper_db: Callable[..., object]
) -> None:
    dsn = own_postgres.create_database()
    plantkeeper_db("migrate", dsn=dsn)
    gateway = start_gateway(dsn)
    wait_for(lambda: health(gateway)[0] == 200, "the gateway to be ready")
    postmaster = psutil.Process(own_postgres.pid)
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        begun_s = time.monotonic()
        wait_for(lambda: metric(gateway, "plantkeeper_database_up") == 0, "the metrics to say so")
        assert time.monotonic() - begun_s < 10
        threads = [threading.Thread(target=health, args=(gateway,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        begun_s = time.monotonic()
        assert requests.get(f"{gateway}/healthz", timeout=5).status_code == 200
        assert time.monotonic() - begun_s < 1
        for thread in threads:
            thread.join()
    finally:
        for process in stopped:
            process.resume()
    wait_for(lambda: health(gateway)[0] == 200, "the gateway to be ready again")


# ---- logs ------------------------------------------------------------------------------------------------------


def test_the_log_names_requests_and_holds_no_secret(
    start_gateway: Callable[..., str], services: list[Service], database_dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    gateway = start_gateway(
        database_dsn, PLANTKEEPER_STATUS_TOKEN_FILE=str(tmp_path / "token"), PLANTKEEPER_LOG_LEVEL="debug",
        PLANTKEEPER_LISTEN_HOTS="x",
    )  # fmt: skip
    named = {"X-Request-Id": "board-7.1"}
    assert post(gateway, 1, device_id=7, **named) == 200
    answer = requests.post(f"{gateway}/sensor-data", json={"id": 0}, headers=named, timeout=10)
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (400, "board-7.1")
    plain = requests.post(f"{gateway}/sensor-data", json={"id": 7}, timeout=10)
    assert "X-Request-Id" not in plain.headers
    page = requests.get(f"{gateway}/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    assert page.status_code == 200
    assert page.headers["X-Request-Id"]
    assert requests.post(f"{gateway}/login", data={"token": f"not {TOKEN}"}, timeout=10).status_code == 401
    assert requests.get(f"{gateway}/{TOKEN}", timeout=10).status_code == 404  # pasted into the address
    events = lines(services[0])
    taken = next(line for line in events if line.get("request_id") == "board-7.1" and line["level"] == "debug")
    assert (taken["device"], taken["key"], taken["status"], taken["stored"]) == (7, "1-1", 200, "new")
    refused = next(line for line in events if line.get("request_id") == "board-7.1" and line["level"] == "warning")
    assert (refused["reason"], refused["status"], refused["address"]) == ("invalid", 400, "127.0.0.1")
    assert any("did you mean PLANTKEEPER_LISTEN_HOST" in line["message"] for line in events)
    assert any("/(hidden)" in line["message"] for line in events)
    assert TOKEN not in services[0].log.read_text()


def test_a_flood_of_nonsense_is_one_line(gateway: str, services: list[Service]) -> None:
    with requests.Session() as session:
        for _ in range(200):
            assert session.post(f"{gateway}/sensor-data", data=b"x", timeout=10).status_code == 400
    assert len([line for line in lines(services[0]) if line.get("reason") == "invalid"]) == 1
    assert metric(gateway, 'plantkeeper_requests_refused_total{reason="invalid"}') == 200


def test_readings_that_are_taken_are_not_logged(gateway: str, services: list[Service]) -> None:
    assert post(gateway, 1) == 200
    assert lines(services[0]) == []


# ---- stop ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stop_under_load_loses_no_acknowledged_reading(
    gateway: str, services: list[Service], database: DatabaseClient
) -> None:
    acknowledged: list[str] = []
    others: list[object] = []

    def board(device_id: int) -> None:
        for seq in range(1, 5_000):
            try:
                with requests.Session() as session:  # a connection for each POST, as boards do
                    status = post(gateway, seq, device_id=device_id, session=session)
            except requests.RequestException as error:  # it is gone: nothing was promised
                others.append(error)
                return
            if status == 200:
                acknowledged.append(f"{device_id}:1-{seq}")
            else:
                others.append(status)

    threads = [threading.Thread(target=board, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) > 200, "the load to run")
    assert services[0].end() == 0
    for thread in threads:
        thread.join()
    stored = {f"{row['device_id']}:{row['idempotency_key']}" for row in database.readings()}
    assert len(acknowledged) == len(set(acknowledged)) > 200
    assert set(acknowledged) - stored == set()
    assert not [status for status in others if isinstance(status, int)]


@pytest.mark.slow
def test_a_forwarder_that_stops_gives_its_lanes_back(
    gateway: str,
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    execute: Callable[[str], list[tuple[object, ...]]],
    database: DatabaseClient,
    tmp_path: Path,
) -> None:
    for device_id in range(1, 10):
        for seq in range(1, 6):
            assert post(gateway, seq, device_id=device_id) == 200
    requests.post(
        f"{backend.url}/_mock/fault", json={"name": "delay", "seconds": 0.3, "count": 1000},
        verify=str(tmp_path / "tls" / "ca.pem"), timeout=10,
    )  # fmt: skip
    first = start_forwarder()
    wait_for(
        lambda: execute("SELECT count(*) FROM lane WHERE claimed_until > now()") == [(9,)], "the lanes to be taken"
    )
    wait_for(lambda: len(backend.journal()) >= 9, "some deliveries")
    os.kill(first.pid, signal.SIGTERM)
    assert first.process.wait(timeout=10) == 0
    assert execute("SELECT count(*) FROM lane WHERE claimed_until > now()") == [(0,)]
    delivered = len(backend.journal())
    assert database.waiting() == 45 - delivered > 0  # what was on its way was written down
    requests.delete(f"{backend.url}/_mock/fault", verify=str(tmp_path / "tls" / "ca.pem"), timeout=10)
    start_forwarder()
    wait_for(lambda: database.waiting() == 0, "the rest")
    assert len(backend.journal()) == 45
    assert (backend.stats()["duplicates"], backend.stats()["reordered"]) == (0, 0)
