"""The mock backend as a process, over real TLS."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from plantkeeper_hil.stack.clients import BackendClient
from plantkeeper_hil.stack.service import Service, listening_socket, port_of
from plantkeeper_sim.backend import tls

pytestmark = pytest.mark.integration
BODY = {"id": 1, "temperature": 21, "humidity": 40, "light": 900}


class Backend:
    def __init__(self, folder: Path) -> None:
        tls.issue(folder / "tls")
        self.ca = folder / "tls" / "ca.pem"
        with listening_socket() as listener:
            self.port = port_of(listener)
            command = [sys.executable, "-m", "plantkeeper_sim.backend", "--tls-dir", str(folder / "tls")]
            command += ["--listen-fd", str(listener.fileno()), "--sensors", "1-2", "--journal", str(folder / "j")]
            self.service = Service.start("backend", command, log_dir=folder, environment={}, inherit=[listener])
        self.url = f"https://localhost:{self.port}"
        self.client = BackendClient(self.url, self.ca)
        self.service.wait_ready(self.client.is_ready, timeout_s=20)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(self.ca)

    def patch(self, body: dict[str, Any] = BODY, key: str = '"1-1"', **words: Any) -> requests.Response:
        url = f"{self.url}/api/v1/sensors/{body['id']}"
        return self.session.patch(url, json=body, headers={"Idempotency-Key": key}, timeout=10, **words)

    def fault(self, **settings: Any) -> requests.Response:
        return self.session.post(f"{self.url}/_mock/fault", json=settings, timeout=10)

    def close(self) -> int:
        self.session.close()
        self.client.close()
        return self.service.end()


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    running = Backend(tmp_path)
    yield running
    assert running.close() == 0


def test_a_patch_is_answered_and_journalled(backend: Backend) -> None:
    response = backend.patch()
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json()["light"] == 900
    [entry] = backend.client.journal()
    assert {name: entry[name] for name in ("method", "path", "sensor_id", "idempotency_key", "body", "status")} == {
        "method": "PATCH",
        "path": "/api/v1/sensors/1",
        "sensor_id": 1,
        "idempotency_key": '"1-1"',
        "body": BODY,
        "status": 200,
    }
    assert abs(entry["monotonic_s"] - time.monotonic()) < 10
    assert backend.client.stats() == {
        "requests": 1,
        "applied": 1,
        "duplicates": 0,
        "reordered": 0,
        "by_status": {"200": 1},
    }


def test_an_unknown_authority_is_refused_by_the_client(backend: Backend, tmp_path: Path) -> None:
    tls.issue(tmp_path / "other")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{backend.url}/_mock/stats", verify=str(tmp_path / "other" / "ca.pem"), timeout=10)


def test_plain_http_and_old_tls_get_no_answer(backend: Backend) -> None:
    with socket.create_connection(("127.0.0.1", backend.port), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in plain.recv(100)
    context = ssl.create_default_context(cafile=str(backend.ca))
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with (
        socket.create_connection(("127.0.0.1", backend.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.slow
def test_an_idle_connection_is_closed_after_five_seconds(backend: Backend) -> None:
    context = ssl.create_default_context(cafile=str(backend.ca))
    with (
        socket.create_connection(("127.0.0.1", backend.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET /_mock/stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = secured.recv(4096)
        assert b"Keep-Alive: timeout=5\r\n" in answer
        begun_s = time.monotonic()
        while secured.recv(4096):
            pass
        assert 4 <= time.monotonic() - begun_s <= 8


def test_faults_meet_as_many_requests_as_asked(backend: Backend) -> None:
    assert backend.fault(name="status", status=503, count=2).status_code == 200
    assert [backend.patch().status_code for _ in range(3)] == [503, 503, 200]
    assert backend.client.stats()["by_status"] == {"200": 1, "503": 2}


def test_close_takes_the_request_and_says_nothing(backend: Backend) -> None:
    backend.fault(name="close")
    with pytest.raises(requests.exceptions.ConnectionError):
        backend.patch()
    assert backend.client.journal() == []


def test_close_after_apply_writes_and_says_nothing(backend: Backend) -> None:
    backend.fault(name="close_after_apply")
    with pytest.raises(requests.exceptions.ConnectionError):
        backend.patch()
    assert backend.patch().status_code == 200
    assert [(e["effect"], e["duplicate"]) for e in backend.client.journal()] == [
        ("applied", False),
        ("unchanged", True),
    ]


def test_delay_and_redirect(backend: Backend) -> None:
    backend.fault(name="delay", seconds=0.3)
    assert backend.patch().elapsed.total_seconds() >= 0.3
    backend.fault(name="redirect", location="https://localhost:1/x")
    response = backend.patch(allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (308, "https://localhost:1/x")


def test_half_an_answer_is_work_done_and_an_answer_that_breaks_off(backend: Backend) -> None:
    for share in (0.02, 0.75, 0.95):  # within the first line, and twice within the body
        backend.fault(name="half_answer", share=share)
        with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            backend.patch()
    assert [entry["effect"] for entry in backend.client.journal()] == ["applied", "unchanged", "unchanged"]
    assert backend.patch().status_code == 200


def test_a_late_answer_comes_after_the_work(backend: Backend) -> None:
    backend.fault(name="late_answer", seconds=1.0)
    with pytest.raises(requests.exceptions.ReadTimeout):
        backend.session.patch(f"{backend.url}/api/v1/sensors/1", json=BODY, timeout=0.3)
    assert [entry["effect"] for entry in backend.client.journal()] == ["applied"]
    backend.fault(name="late_answer", seconds=0.3)
    assert backend.patch().elapsed.total_seconds() >= 0.3


def test_a_status_can_ask_for_a_pause(backend: Backend) -> None:
    backend.fault(name="status", status=429, retry_after_s=7, message="slow down")
    response = backend.patch()
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.json() == {"statusCode": 429, "message": "slow down"}


def test_a_sensor_can_be_created_meanwhile(backend: Backend) -> None:
    assert backend.patch({**BODY, "id": 3}).status_code == 401
    created = backend.session.post(f"{backend.url}/_mock/sensors", json={"ids": [3, 4]}, timeout=10)
    assert created.json() == {"ids": [3, 4]}
    assert backend.patch({**BODY, "id": 3}).status_code == 200
    for wrong in ({}, {"ids": 3}, {"ids": [0]}, {"ids": ["3"]}, {"ids": [True]}):
        refused = backend.session.post(f"{backend.url}/_mock/sensors", json=wrong, timeout=10)
        assert (refused.status_code, "ids" in refused.json()["error"]) == (400, True)


def test_a_fault_can_be_taken_back(backend: Backend) -> None:
    backend.fault(name="close", count=100)
    backend.session.delete(f"{backend.url}/_mock/fault", timeout=10)
    assert backend.patch().status_code == 200


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"name": "nonsense"},
            "; there are close, close_after_apply, delay, half_answer, late_answer, redirect, status",
        ),
        ({"name": "status", "status": 200}, "status 200; expected 400"),
        ({"name": "status", "colour": "red"}, "settings"),
        ({"name": "close", "count": 0}, "fault count 0"),
    ],
)
def test_a_fault_that_there_is_not_is_named(backend: Backend, settings: dict[str, Any], named: str) -> None:
    response = backend.fault(**settings)
    assert response.status_code == 400
    assert named in response.json()["error"]


def test_the_database_can_go_down_and_come_back(backend: Backend) -> None:
    url = f"{backend.url}/_mock/database"
    backend.session.post(url, json={"up": False}, timeout=10)
    assert backend.patch().status_code == 500
    backend.session.post(url, json={"up": True}, timeout=10)
    assert backend.patch().status_code == 200


def test_it_ends_with_a_connection_open(tmp_path: Path) -> None:
    running = Backend(tmp_path)
    held = socket.create_connection(("127.0.0.1", running.port))
    running.patch()
    begun_s = time.monotonic()
    assert running.close() == 0
    assert time.monotonic() - begun_s < 5
    held.close()
    journal = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert [entry["status"] for entry in journal] == [200]


@pytest.mark.parametrize(("words", "named"), [(["--sensors", "0"], "--sensors '0'"), (["--sensors", "5-2"], "5-2")])
def test_sensors_that_make_no_sense_are_named(tmp_path: Path, words: list[str], named: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "plantkeeper_sim.backend", "--tls-dir", str(tmp_path), *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (finished.returncode, named in finished.stderr) == (2, True)


def test_a_certificate_can_be_for_others_or_expired_by_the_same_authority(tmp_path: Path) -> None:
    authority = tls.issue(tmp_path / "right")
    now, day = datetime.now(UTC), timedelta(days=1)
    tls.issue(tmp_path / "other", authority=authority, names=["backend.example"])
    tls.issue(tmp_path / "old", authority=authority, not_before=now - 2 * day, not_after=now - day)
    tls.issue(tmp_path / "stranger")
    client = ssl.create_default_context(cafile=str(tmp_path / "right" / "ca.pem"))

    def shake_hands(folder: str) -> None:
        """Without a network: two ends in memory."""
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
        theirs = tls.server_context(tmp_path / folder).wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for side in (ours, theirs):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()

    shake_hands("right")
    for folder, named in (("other", "localhost"), ("old", "expired"), ("stranger", "unable to get local issuer")):
        with pytest.raises(ssl.SSLCertVerificationError, match=named):
            shake_hands(folder)


def test_the_private_key_is_ours_to_read_alone(tmp_path: Path) -> None:
    tls.issue(tmp_path)
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
