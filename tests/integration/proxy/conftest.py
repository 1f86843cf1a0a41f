"""The gateway's two processes over a database of their own, and a backend that they forward to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sql

from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.service import Service, listening_socket, port_of
from plantkeeper_sim.backend import tls

NOBODY_SIGNS = {"PLANTKEEPER_SIGNATURES": "legacy", "PLANTKEEPER_LEGACY_DEVICES": "1-2147483647"}
PROXY = [sys.executable, "-m", "plantkeeper_proxy"]


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """What was started; all of it is ended."""
    running: list[Service] = []
    yield running
    for service in reversed(running):
        service.end()


@pytest.fixture
def backend(tmp_path: Path, services: list[Service]) -> Iterator[BackendClient]:
    tls.issue(tmp_path / "tls")
    with listening_socket() as listener:
        url = f"https://localhost:{port_of(listener)}"
        words = ["--tls-dir", str(tmp_path / "tls"), "--listen-fd", str(listener.fileno()), "--sensors", "1-9"]
        command = [sys.executable, "-m", "plantkeeper_sim.backend", *words]
        services.append(Service.start("backend", command, log_dir=tmp_path, environment={}, inherit=[listener]))
    client = BackendClient(url, tmp_path / "tls" / "ca.pem")
    services[-1].wait_ready(client.is_ready, timeout_s=20)
    yield client
    client.close()


@pytest.fixture
def start_forwarder(
    tmp_path: Path, services: list[Service], backend: BackendClient, database_dsn: str
) -> Callable[..., Service]:
    def start(**settings: str) -> Service:
        ready = tmp_path / f"ready{len(services)}"
        environment = {
            "PLANTKEEPER_DATABASE_DSN": database_dsn,
            "PLANTKEEPER_BACKEND_URL": backend.url,
            "PLANTKEEPER_BACKEND_CA": str(tmp_path / "tls" / "ca.pem"),
            **settings,
        }
        name = f"forwarder{len(services)}"
        command = [*PROXY, "forward", "--ready-file", str(ready)]
        service = Service.start(name, command, log_dir=tmp_path, environment=environment)
        services.append(service)
        service.wait_ready(ready.exists, timeout_s=20)
        return service

    return start


@pytest.fixture
def start_gateway(tmp_path: Path, services: list[Service]) -> Callable[..., str]:
    """Starts a gateway on a database and returns its address; unless told otherwise, nobody has to sign."""

    def start(dsn: str, **settings: str) -> str:
        with listening_socket() as listener:
            command = [*PROXY, "serve", "--listen-fd", str(listener.fileno())]
            environment = {"PLANTKEEPER_DATABASE_DSN": dsn, **NOBODY_SIGNS, **settings}
            name = f"gateway{len(services)}"
            services.append(Service.start(name, command, log_dir=tmp_path, environment=environment, inherit=[listener]))
            return f"http://127.0.0.1:{port_of(listener)}"

    return start


@pytest.fixture
def gateway(start_gateway: Callable[..., str], database_dsn: str) -> str:
    return start_gateway(database_dsn)


@pytest.fixture
def database(database_dsn: str) -> Iterator[DatabaseClient]:
    client = DatabaseClient(database_dsn)
    yield client
    client.close()


@pytest.fixture
def execute(database_dsn: str) -> Callable[[str], list[tuple[object, ...]]]:
    return partial(sql.execute, database_dsn)
