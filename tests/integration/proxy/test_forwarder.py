"""The forwarder as a process: order, retries, refusals, verified TLS, crashes in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.service import Service
from plantkeeper_sim.backend import tls

pytestmark = pytest.mark.integration
DEADLINE_S = 30.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not happen within {DEADLINE_S} s"
        time.sleep(0.01)


@pytest.fixture
def post(gateway: str) -> Callable[..., None]:
    def send(seq: int, device_id: int = 1, **fields: Any) -> None:
        answer = requests.post(
            f"{gateway}/sensor-data",
            json={"id": device_id, "light": seq, **fields},
            headers={"Idempotency-Key": f'"1-{seq}"'},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text

    return send


def fault(backend: BackendClient, tmp_path: Path, **settings: Any) -> None:
    answer = requests.post(
        f"{backend.url}/_mock/fault", json=settings, verify=str(tmp_path / "tls" / "ca.pem"), timeout=10
    )
    assert answer.status_code == 200, answer.text


def faults_left(backend: BackendClient, tmp_path: Path) -> int:
    answer = requests.get(f"{backend.url}/_mock/fault", verify=str(tmp_path / "tls" / "ca.pem"), timeout=10)
    left: int = answer.json()["left"]
    return left


def delivered(backend: BackendClient) -> list[tuple[int, str]]:
    return [(e["sensor_id"], e["idempotency_key"]) for e in backend.journal() if e["status"] == 200]


def test_what_waited_is_delivered_in_order(
    post: Callable[..., None], backend: BackendClient, start_forwarder: Callable[..., Service], database: DatabaseClient
) -> None:
    for seq in range(1, 6):
        post(seq, humidity=316, temperature=21.5)
    start_forwarder()
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert delivered(backend) == [(1, f'"1-{seq}"') for seq in range(1, 6)]
    assert backend.journal()[0]["body"] == {"id": 1, "temperature": 21.5, "humidity": 100, "light": 1}


def test_a_new_reading_is_delivered_at_once(
    post: Callable[..., None], backend: BackendClient, start_forwarder: Callable[..., Service], database: DatabaseClient
) -> None:
    start_forwarder()
    post(1)
    posted_s = time.monotonic()
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert backend.journal()[0]["monotonic_s"] - posted_s < 1.0


def test_a_500_is_tried_again_before_the_next_reading(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    database: DatabaseClient,
    tmp_path: Path,
) -> None:
    fault(backend, tmp_path, name="status", status=503, count=2)
    post(1)
    post(2)
    start_forwarder()
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert [(e["status"], e["idempotency_key"]) for e in backend.journal()] == [
        (503, '"1-1"'),
        (503, '"1-1"'),
        (200, '"1-1"'),
        (200, '"1-2"'),
    ]


def test_a_lost_answer_is_repeated_with_the_same_key(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    database: DatabaseClient,
    tmp_path: Path,
) -> None:
    fault(backend, tmp_path, name="close_after_apply", count=1)
    post(1)
    post(2)
    start_forwarder()
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert delivered(backend) == [(1, '"1-1"'), (1, '"1-1"'), (1, '"1-2"')]
    assert backend.stats()["duplicates"] == 1
    assert backend.stats()["reordered"] == 0


def test_a_device_that_the_backend_does_not_know_holds_up_no_other(
    post: Callable[..., None], backend: BackendClient, start_forwarder: Callable[..., Service], database: DatabaseClient
) -> None:
    post(1, device_id=99)
    post(2, device_id=99)
    post(1, device_id=2)
    start_forwarder()
    wait_for(lambda: (2, '"1-1"') in delivered(backend), "the known device's delivery")
    wait_for(lambda: database.waiting() == 2, "the outbox to hold what cannot be delivered yet")
    wait_for(lambda: any(e["sensor_id"] == 99 for e in backend.journal()), "the unknown device's first attempt")
    assert {e["status"] for e in backend.journal() if e["sensor_id"] == 99} == {401}
    assert database.waiting() == 2


def test_what_the_backend_never_takes_is_parked_and_named(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    execute: Callable[[str], list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    fault(backend, tmp_path, name="status", status=400, count=1)
    post(1)
    post(2)
    forwarder = start_forwarder()
    wait_for(lambda: delivered(backend) == [(1, '"1-2"')], "the next reading's delivery")
    wait_for(lambda: execute("SELECT count(*) FROM outbox") == [(0,)], "the outbox to be empty")
    parked = execute("SELECT device_id, light, attempts, error LIKE 'the backend answered 400%' FROM dead_letter")
    assert parked == [(1, 1.0, 1, True)]
    messages = [json.loads(line)["message"] for line in forwarder.log.read_text().splitlines()]
    assert any('device 1, reading 1, key "1-1": parked' in message for message in messages)


def test_a_redirect_is_not_followed(
    post: Callable[..., None], backend: BackendClient, start_forwarder: Callable[..., Service], tmp_path: Path
) -> None:
    fault(backend, tmp_path, name="redirect", location=f"{backend.url}/api/v1/sensors/2", count=1)
    post(1)
    start_forwarder()
    wait_for(lambda: delivered(backend) == [(1, '"1-1"')], "delivery after the redirect")
    assert [(e["status"], e["sensor_id"]) for e in backend.journal()] == [(308, None), (200, 1)]


def test_an_unverified_backend_gets_nothing(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    database: DatabaseClient,
    tmp_path: Path,
) -> None:
    tls.issue(tmp_path / "other")
    post(1)
    forwarder = start_forwarder(
        PLANTKEEPER_BACKEND_CA=str(tmp_path / "other" / "ca.pem"),
        # what other programs are switched off by must not work here
        REQUESTS_CA_BUNDLE=str(tmp_path / "tls" / "ca.pem"),
        CURL_CA_BUNDLE=str(tmp_path / "tls" / "ca.pem"),
        PYTHONHTTPSVERIFY="0",
    )
    wait_for(lambda: "its TLS is refused" in forwarder.log.read_text(), "the refusal")
    assert backend.journal() == []
    assert database.waiting() == 1


def test_killed_and_started_again_it_loses_nothing(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    database: DatabaseClient,
    tmp_path: Path,
) -> None:
    fault(backend, tmp_path, name="delay", seconds=1.0, count=1)
    for seq in (1, 2, 3):
        post(seq)
    first = start_forwarder(PLANTKEEPER_BACKEND_TIMEOUT_S="2")  # its claims run out after twice that and a margin
    wait_for(lambda: faults_left(backend, tmp_path) == 0, "the first reading to be on its way")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(timeout=10)
    start_forwarder()
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert list(dict.fromkeys(delivered(backend))) == [(1, '"1-1"'), (1, '"1-2"'), (1, '"1-3"')]
    assert backend.stats()["reordered"] == 0


def test_two_forwarders_deliver_once(
    post: Callable[..., None], backend: BackendClient, start_forwarder: Callable[..., Service], database: DatabaseClient
) -> None:
    start_forwarder()
    start_forwarder()
    for seq in range(1, 11):
        post(seq)
    wait_for(lambda: database.waiting() == 0, "delivery")
    assert delivered(backend) == [(1, f'"1-{seq}"') for seq in range(1, 11)]


def test_it_goes_on_after_its_database_connection_was_cut(
    post: Callable[..., None],
    backend: BackendClient,
    start_forwarder: Callable[..., Service],
    execute: Callable[[str], list[tuple[object, ...]]],
    database: DatabaseClient,
) -> None:
    start_forwarder()
    post(1)
    wait_for(lambda: database.waiting() == 0, "the first delivery")
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'plantkeeper-forwarder' AND datname = current_database()"
    )
    post(2)
    wait_for(lambda: database.waiting() == 0, "the second delivery")
    assert delivered(backend) == [(1, '"1-1"'), (1, '"1-2"')]


def test_the_token_is_sent_and_settings_do_not_show_it(database_dsn: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", "settings"],
        env={
            "PLANTKEEPER_DATABASE_DSN": "postgresql://u:hush@h/d",
            "PLANTKEEPER_BACKEND_URL": "https://b",
            "PLANTKEEPER_BACKEND_TOKEN": "hush",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "hush" not in finished.stdout
    assert "PLANTKEEPER_BACKEND_URL = https://b" in finished.stdout


def test_a_missing_setting_is_named() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", "forward"],
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.returncode == 2
    assert "PLANTKEEPER_DATABASE_DSN is not set" in finished.stderr
