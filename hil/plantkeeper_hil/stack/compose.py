"""The whole stack in containers: compose/compose.yaml with the mock backend, and what the harness needs on top."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack import unsigned
from plantkeeper_hil.stack.base import OwnStack
from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.compose_cli import Compose
from plantkeeper_hil.stack.engine import Engine

SERVICES = ("db", "mock-backend", "gateway", "forwarder")
GATEWAY_PORT, BACKEND_PORT, DATABASE_PORT = 8080, 8443, 5432
KNOWN_SENSORS = 1000  # of the mock backend's image


@dataclass(frozen=True)
class ComposeOptions:
    """What can be chosen about a composed stack.

    Args:
        root: of the checkout.
        log_dir: logs of all containers; they stay.
        devices: the ids that are seeded, 1 to this; the backend knows 1 to 1000.
        settings: variables of the compose files.
    """

    root: Path
    log_dir: Path
    devices: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = field(default=lambda _line: None)


class ComposeStack(OwnStack):
    """A running stack of containers; a context manager.

    Every port is the engine's choice, on loopback. Leaving the block removes containers, networks, volumes and secrets.

    Raises:
        StackError: something did not come up; what was started is removed.
    """

    def __init__(self, options: ComposeOptions) -> None:
        super().__init__(options.log_dir)
        self.options = options
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The containers."""
        if self._engine is None:
            raise StackError("the stack is not running")
        return self._engine

    @property
    def backend(self) -> BackendClient:
        """The mock backend's journal."""
        if self._backend is None:
            raise StackError("the stack is not running")
        return self._backend

    @property
    def database(self) -> DatabaseClient:
        """What is stored."""
        if self._database is None:
            self._database = DatabaseClient(self.dsn)
        return self._database

    @property
    def dsn(self) -> str:
        """Of the database, for the harness alone: as its superuser, over a port that only the harness publishes."""
        password = (self.secrets / "postgres_password").read_text().strip()
        return f"postgresql://postgres:{password}@127.0.0.1:{self._port('db', DATABASE_PORT)}/plantkeeper"

    @property
    def gateway_port(self) -> int:
        """Where boards post to; with several gateways, the first one's."""
        return self._port("gateway", GATEWAY_PORT)

    def check_alive(self) -> None:
        """Make sure that every container runs.

        Raises:
            StackError: one does not; shows the end of its log.
        """
        for service in SERVICES:
            self.engine.check_alive(service)

    def _stop(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            for name, said in engine.logs(SERVICES).items():
                (self.log_dir / f"{name}.log").write_text(said)
            engine.close()

    def _start(self) -> None:
        if self.options.devices > KNOWN_SENSORS:
            raise StackError(f"{self.options.devices} devices: the mock backend's image knows {KNOWN_SENSORS} sensors")
        say = self.options.say
        folder = self._janitor.make_folder()
        self.secrets = folder / "secrets"
        compose = self.options.root / "compose"
        made = subprocess.run([compose / "new-secrets", self.secrets], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise StackError(f"compose/new-secrets failed: {made.stderr.strip()}")
        self.compose = Compose(
            project=f"plantkeeper-hil-{os.getpid()}-{os.urandom(3).hex()}",
            files=[compose / "compose.yaml", compose / "compose.harness.yaml"],
            environment={**self._variables(), **self.options.settings},
            log=self.log_dir / "compose.log",
        )
        self._engine = Engine(self.compose.project)
        say("building images")
        self.compose.run("--profile", "*", "build")
        self._janitor.watch_command(self.compose.removal)
        for words in (("migrate",), ("seed", "--devices", f"1-{self.options.devices}")):
            say(f"running db-tools {' '.join(words)}")
            self.compose.run("run", "--rm", "db-tools", *words)
        say("starting gateway, forwarder and mock backend")
        self.up()
        ca = self.secrets / "mock_ca.pem"
        self._backend = BackendClient(f"https://localhost:{self._port('mock-backend', BACKEND_PORT)}", ca)

    def up(self, *words: str) -> None:
        """`docker compose up --wait` with further words, such as `--scale`."""
        self.compose.run("--profile", "mock", "up", "--wait", "--no-build", *words)

    def _variables(self) -> dict[str, str]:
        """Every variable of the compose files, so that nobody's compose/.env has a say."""
        return {
            "SECRETS_DIR": str(self.secrets),
            "PLANTKEEPER_TAG": "hil",
            "GATEWAY_BIND": "127.0.0.1",
            "GATEWAY_PORT": "0",
            "MOCK_PORT": "0",
            "BACKEND_URL": "https://mock-backend:8443",
            "BACKEND_CA": "/run/secrets/backend_ca",
            "BACKEND_CA_FILE": str(self.secrets / "mock_ca.pem"),
            **unsigned.VARIABLES,
            "LOG_LEVEL": "info",
        }

    def _port(self, service: str, port: int) -> int:
        published = self.engine.published(service, port)
        if not published:
            self.engine.check_alive(service)
            raise StackError(f"{service} publishes nothing for its port {port}")
        return published[0][1]
