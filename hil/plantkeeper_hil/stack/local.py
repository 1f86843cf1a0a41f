"""The whole stack on this machine without Docker: every part a process, every port free, all of it gone afterwards."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack import unsigned
from plantkeeper_hil.stack.base import OwnStack
from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient, gateway_is_ready
from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_hil.stack.service import Service, listening_socket, port_of, run_command
from plantkeeper_sim.backend import tls

READY_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
GATEWAY_COMMAND = (sys.executable, "-m", "plantkeeper_proxy")


@dataclass(frozen=True)
class StackOptions:
    """What can be chosen about a stack.

    Args:
        log_dir: logs of all processes; they stay.
        devices: the ids that are seeded and that the backend knows, 1 to this.
        gateway_host, gateway_port: where the gateway listens; port 0 lets the system choose.
        gateway_command: program that takes `serve` and `forward`.
        backend_url: an HTTPS backend of somebody else, instead of the mock.
        backend_ca: PEM file of the authority that it is verified against; None trusts the system's.
        gateway_settings: environment variables of gateway and forwarder, over those that a stack has by itself.
    """

    log_dir: Path
    devices: int = 1
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 0
    gateway_command: Sequence[str] = GATEWAY_COMMAND
    backend_url: str | None = None
    backend_ca: Path | None = None
    gateway_settings: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = field(default=lambda _line: None)


class LocalStack(OwnStack):
    """A running stack; a context manager.

    `with LocalStack(options) as stack:` starts PostgreSQL, makes and seeds the schema, starts the mock backend,
    the gateway and its forwarder, and waits for each.

    Raises:
        StackError: something did not come up; what was started is ended.
    """

    def __init__(self, options: StackOptions) -> None:
        super().__init__(options.log_dir)
        self.options = options
        self.gateway_url = self.backend_url = self.dsn = ""
        self.backend_ca: Path | None = None
        self.gateway_port = 0
        self.services: dict[str, Service] = {}
        self._postgres: Postgres | None = None

    @property
    def backend(self) -> BackendClient:
        """The mock backend's journal."""
        if self._backend is None:
            raise StackError(f"the backend {self.backend_url} is not the mock: it keeps no journal")
        return self._backend

    @property
    def database(self) -> DatabaseClient:
        """What is stored."""
        if self._database is None:
            raise StackError("the stack is not running")
        return self._database

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        pids = {name: service.pid for name, service in self.services.items()}
        if self._postgres is not None:
            pids["postgres"] = self._postgres.pid
        return pids | {"janitor": self._janitor.pid}

    def check_alive(self) -> None:
        """Make sure that all processes run.

        Raises:
            StackError: one does not; shows the end of its log.
        """
        if self._postgres is not None:
            self._postgres.check_alive()
        for service in self.services.values():
            service.check_alive()

    def _start(self) -> None:
        self._folder = self._janitor.make_folder()
        self._start_database()
        self._start_backend()
        self._start_gateway()

    def _stop(self) -> None:
        for name in reversed(list(self.services)):
            self.services.pop(name).end()
        if self._postgres is not None:
            self._postgres.stop()
            self._postgres = None

    def _start_database(self) -> None:
        self.options.say("starting PostgreSQL")
        watch = self._janitor.watch_process
        self._postgres = Postgres(self._folder / "pg", log_dir=self.log_dir, watch=watch)
        self._postgres.start()
        self.dsn = self._postgres.create_database()
        self._database = DatabaseClient(self.dsn)
        for words in (["migrate"], ["seed", "--devices", f"1-{self.options.devices}"]):
            self.options.say(f"running plantkeeper-db {' '.join(words)}")
            run_command(
                f"db-{words[0]}",
                [sys.executable, "-m", "plantkeeper_db", *words],
                log_dir=self.log_dir,
                environment={"PLANTKEEPER_DATABASE_DSN": self.dsn},
                timeout_s=COMMAND_TIMEOUT_S,
                watch=watch,
            )

    def _start_backend(self) -> None:
        if self.options.backend_url is not None:
            self.backend_url, self.backend_ca = self.options.backend_url, self.options.backend_ca
            return
        self.options.say("starting the mock backend")
        tls_dir = self._folder / "tls"
        tls.issue(tls_dir)
        self.backend_ca = tls_dir / "ca.pem"
        with listening_socket() as listener:
            self.backend_url = f"https://localhost:{port_of(listener)}"
            backend = self._launch(
                "backend",
                [
                    *(sys.executable, "-m", "plantkeeper_sim.backend"),
                    *("--tls-dir", str(tls_dir), "--listen-fd", str(listener.fileno())),
                    *("--sensors", f"1-{self.options.devices}"),
                    *("--journal", str(self.log_dir / "backend-journal.jsonl")),
                ],
                listener,
            )
        self._backend = BackendClient(self.backend_url, self.backend_ca)
        backend.wait_ready(self._backend.is_ready, timeout_s=READY_TIMEOUT_S)

    def _start_gateway(self) -> None:
        self.options.say("starting the gateway and its forwarder")
        ready_file = self._folder / "forwarder.ready"
        forwarder = self._launch(
            "forwarder", [*self.options.gateway_command, "forward", "--ready-file", str(ready_file)]
        )
        self.start_gateway()
        forwarder.wait_ready(ready_file.exists, timeout_s=READY_TIMEOUT_S)

    def start_gateway(self) -> None:
        """Start the gateway, again on the port it had if it was stopped; its forwarder is another process."""
        with listening_socket(self.options.gateway_host, self.gateway_port or self.options.gateway_port) as listener:
            self.gateway_port = port_of(listener)
            self.gateway_url = f"http://{self.options.gateway_host}:{self.gateway_port}"
            gateway = self._launch(
                "gateway",
                [*self.options.gateway_command, "serve", "--listen-fd", str(listener.fileno())],
                listener,
            )
        gateway.wait_ready(lambda: gateway_is_ready(self.gateway_url), timeout_s=READY_TIMEOUT_S)

    def stop_gateway(self) -> None:
        """End the gateway; connections to its port are refused then."""
        self.services.pop("gateway").end()

    def _launch(self, name: str, command: Sequence[str], *inherit: socket.socket) -> Service:
        environment = {
            "PLANTKEEPER_DATABASE_DSN": self.dsn,
            "PLANTKEEPER_BACKEND_URL": self.backend_url,
            **unsigned.ENVIRONMENT,
        }
        if self.backend_ca is not None:
            environment["PLANTKEEPER_BACKEND_CA"] = str(self.backend_ca)
        self.services[name] = Service.start(
            name,
            command,
            log_dir=self.log_dir,
            environment=environment | dict(self.options.gateway_settings),
            inherit=inherit,
            watch=self._janitor.watch_process,
        )
        return self.services[name]
