"""The production stack of compose/compose.prod.yaml, a project of its own for each test module: up, asked, and down."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "tests" / "contract"
FILES = ("compose.yaml", "compose.prod.yaml")
DEADLINE_S = 60.0
TAG = "production-test"
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """The first true value of a condition."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"{what} did not happen within {deadline_s:g} s"
        time.sleep(0.1)
    return value


def free_port() -> int:
    """A TCP port that nobody has, for what cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class ProductionStack:
    """A Compose project; nothing of it is started by itself.

    Args:
        name: of the project.
        folder: for its secrets.
        environment: variables of compose.prod.yaml, over those that tests need.
    """

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        self.name, self.secrets = name, folder / "secrets"
        self._boards: tuple[str, int] | None = None
        subprocess.run([ROOT / "compose" / "new-secrets", self.secrets], check=True, stdout=subprocess.DEVNULL)
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": name,
            "PLANTKEEPER_TAG": TAG,
            "SECRETS_DIR": str(self.secrets),
            "GATEWAY_BIND": "127.0.0.1",
            "GATEWAY_PORT": "0",
            "PEOPLE_PORT": "0",
            "PROMETHEUS_PORT": "0",
            "MOCK_PORT": "0",
            "BACKEND_URL": "https://mock-backend:8443",
            "BACKEND_CA_FILE": str(self.secrets / "mock_ca.pem"),
            "SIGNATURES": "legacy",
            "LEGACY_DEVICES": "1-1000",
            "RATE_DEVICE_PER_MINUTE": "0",
            "FRONT_REQUESTS_PER_S": "10000",
            **environment,
        }

    def compose(
        self,
        *words: str,
        check: bool = True,
        timeout_s: float = 300,
        stdin: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose` with these words."""
        files = [word for name in FILES for word in ("-f", str(ROOT / "compose" / name))]
        done = subprocess.run(
            ["docker", "compose", *files, "--ansi", "never", *words],
            env={**self.environment, **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def up(self, *services: str, profiles: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """Start services, all of them unless named, and wait until they are healthy."""
        self._boards = None
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        words = ("up", "--detach", "--wait", "--wait-timeout", "180", "--pull", "never")
        self.compose(*chosen, *words, *services, environment=environment)

    def migrate(self) -> None:
        """Make the schema."""
        self.compose("run", "--rm", "-T", "db-tools", "migrate")

    def down(self) -> None:
        """All of it, with its volumes."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10", check=False)

    def address(self, service: str, port: int) -> tuple[str, int]:
        """Where a service's port is published."""
        host, _, published = self.compose("port", service, str(port)).stdout.strip().rpartition(":")
        return host, int(published)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker says of each container, by service; of several of one service, of one."""
        ids = self.compose("ps", "--all", "--quiet").stdout.split()
        said = subprocess.run(["docker", "inspect", *ids], check=True, capture_output=True, text=True).stdout
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in json.loads(said)}

    def sql(self, query: str) -> list[list[str]]:
        """The rows of a query, as its owner of all."""
        words = ("exec", "-T", "db", "psql", "-X", "-A", "-t", "-F", "\t", "-U", "postgres", "-d", "plantkeeper")
        out = self.compose(*words, "-v", "ON_ERROR_STOP=1", stdin=query).stdout
        return [line.split("\t") for line in out.splitlines()]

    def logs(self, service: str) -> str:
        """What a service wrote."""
        done = self.compose("logs", "--no-log-prefix", "--no-color", service)
        return (done.stdout + done.stderr).replace("\x1b[2K", "")

    def post(self, device: int, key: str, light: int = 900, *, timeout_s: float = 20) -> int:
        """A reading by the front; 0 where there was no answer."""
        body = json.dumps({"id": device, "light": light}).encode()
        head = (
            f'POST /sensor-data HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nIdempotency-Key: "{key}"\r\n'
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._boards = self._boards or self.address("front", 8080)
        try:
            answer = exchange(self._boards, [head.encode() + body], timeout_s=timeout_s)
        except OSError:
            return 0
        return int(answer[9:12]) if answer else 0


def exchange(address: tuple[str, int], pieces: Sequence[bytes], *, timeout_s: float = 30) -> bytes:
    """Send pieces, each in a TCP segment of its own, and read until the other side closes."""
    with socket.create_connection(address, timeout=timeout_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while data := connection.recv(65536):
                answer += data
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused, and whatever it said before counts
        return answer


def golden(name: str) -> list[bytes]:
    """A golden message of tests/contract as boards send it: request line, headers and body in segments of their own."""
    head, _, body = (CONTRACT / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    return [*(line + b"\r\n" for line in head.split(b"\r\n")), b"\r\n", body]
