"""Gateway, forwarders and mock backend over a database of their own: processes that can be killed and started again."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from plantkeeper_hil.faults.port import Port
from plantkeeper_hil.faults.world import HTTP_TIMEOUT_S, World
from plantkeeper_hil.stack import unsigned
from plantkeeper_hil.stack.clients import gateway_is_ready
from plantkeeper_hil.stack.service import Service
from plantkeeper_sim.backend import tls

PROXY = (sys.executable, "-m", "plantkeeper_proxy")
BACKEND = (sys.executable, "-m", "plantkeeper_sim.backend")
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class WorldOptions:
    """What a world is made of.

    Args:
        dsn: of a migrated database.
        folder: for certificates, logs and the journal; empty.
        devices: ids 1 to this exist at the backend.
        backend_timeout_s: how long a forwarder waits for an answer.
        keep_alive_s: how long the backend keeps an idle connection.
        forwarders: how many.
        settings: further ones of gateway and forwarders, by their environment variable.
    """

    dsn: str
    folder: Path
    devices: int
    backend_timeout_s: float = 3.0
    keep_alive_s: float = 5.0
    forwarders: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)


class ProcessWorld(World):
    """What runs. `start` it, and `close` it whatever happens."""

    def __init__(self, options: WorldOptions) -> None:
        self.options = options
        self.gateway_port, self.backend_port = Port(), Port()
        self.authority = tls.issue(options.folder / "tls")
        super().__init__(f"https://localhost:{self.backend_port.number}", options.folder / "tls" / tls.CA)
        self._journal = options.folder / "journal.jsonl"
        self._services: dict[str, Service] = {}
        self._ready_files = 0

    def start(self) -> None:
        """Start everything, side by side, and wait until all are ready."""
        names = [f"forwarder{number}" for number in range(1, self.options.forwarders + 1)]
        ready = [self._launch_backend(), self._launch_gateway(), *map(self._launch_forwarder, names)]
        for wait in ready:
            wait()

    def close(self) -> None:
        """End everything."""
        super().close()
        for service in self._services.values():
            service.process.terminate()  # all at once, then one after the other: they take their time side by side
        for service in self._services.values():
            service.end()
        self.gateway_port.close()
        self.backend_port.close()

    @property
    def gateways(self) -> Sequence[tuple[str, int]]:
        """Where boards post to."""
        return [self.gateway_port.address]

    @property
    def dsn(self) -> str:
        """Of the database."""
        return self.options.dsn

    @property
    def logs(self) -> str:
        """Where logs are, for messages."""
        return str(self.options.folder)

    def check_alive(self) -> None:
        """Make sure that all processes run.

        Raises:
            StackError: one does not; shows the end of its log.
        """
        for service in self._services.values():
            service.check_alive()

    @property
    def forwarders(self) -> list[str]:
        """Names of the forwarders."""
        return [name for name in self._services if name.startswith("forwarder")]

    def log(self, name: str) -> str:
        """What a process said so far."""
        return (self.options.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, *names: str) -> None:
        """`kill -9`, all at once; wait until they are gone."""
        services = [self._services.pop(name) for name in names]
        for service in services:
            service.check_alive()
            service.process.send_signal(signal.SIGKILL)
        for service in services:
            service.process.wait(timeout=HTTP_TIMEOUT_S)

    def restart(self, *names: str) -> None:
        """Start what was killed or stopped: `gateway`, `backend`, `forwarder1` …; wait until all are ready."""
        launch = {"gateway": self._launch_gateway, "backend": self._launch_backend}
        for wait in [launch[name]() if name in launch else self._launch_forwarder(name) for name in names]:
            wait()

    def stop_backend(self, *, refuse: bool) -> None:
        """End the backend's process.

        Args:
            refuse: True refuses connections; False leaves them in the queue of a socket that nobody accepts from.
        """
        if refuse:
            self.backend_port.refuse()
        self._services.pop("backend").end()

    def journal(self) -> list[dict[str, Any]]:
        """All requests that the backend got, over all its processes, numbered anew."""
        if not self._journal.exists():
            return []
        lines = self._journal.read_text(encoding="utf-8").splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [{**entry, "n": number} for number, entry in enumerate(entries, 1)]

    def journal_length(self) -> int:
        """How many requests that were."""
        return self._journal.read_bytes().count(b"\n") if self._journal.exists() else 0

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU that each running process has used."""
        used = {name: psutil.Process(service.pid).cpu_times() for name, service in self._services.items()}
        return {name: round(times.user + times.system, 2) for name, times in used.items()}

    def _environment(self) -> dict[str, str]:
        return {
            "PLANTKEEPER_DATABASE_DSN": self.options.dsn,
            "PLANTKEEPER_BACKEND_URL": self.backend_url,
            "PLANTKEEPER_BACKEND_CA": str(self.ca),
            "PLANTKEEPER_BACKEND_TIMEOUT_S": f"{self.options.backend_timeout_s:g}",
            **unsigned.ENVIRONMENT,
            **self.options.settings,
        }

    def _launch_backend(self) -> Callable[[], None]:
        listener = self.backend_port.listener()
        words = ["--tls-dir", str(self.options.folder / "tls"), "--listen-fd", str(listener.fileno())]
        words += ["--sensors", f"1-{self.options.devices}", "--journal", str(self._journal)]
        words += ["--keep-alive-s", f"{self.options.keep_alive_s:g}"]
        service = Service.start(
            "backend", [*BACKEND, *words], log_dir=self.options.folder, environment={}, inherit=[listener]
        )
        self._services["backend"] = service
        return lambda: service.wait_ready(self.backend.is_ready, timeout_s=READY_TIMEOUT_S)

    def _launch_gateway(self) -> Callable[[], None]:
        listener = self.gateway_port.listener()
        service = Service.start(
            "gateway",
            [*PROXY, "serve", "--listen-fd", str(listener.fileno())],
            log_dir=self.options.folder,
            environment=self._environment(),
            inherit=[listener],
        )
        self._services["gateway"] = service
        return lambda: service.wait_ready(lambda: gateway_is_ready(self.gateway_url), timeout_s=READY_TIMEOUT_S)

    def _launch_forwarder(self, name: str) -> Callable[[], None]:
        self._ready_files += 1
        ready = self.options.folder / f"{name}.ready{self._ready_files}"
        service = Service.start(
            name,
            [*PROXY, "forward", "--ready-file", str(ready)],
            log_dir=self.options.folder,
            environment=self._environment(),
        )
        self._services[name] = service
        return lambda: service.wait_ready(ready.exists, timeout_s=READY_TIMEOUT_S)
