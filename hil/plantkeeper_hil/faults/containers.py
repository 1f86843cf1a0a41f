"""A world of containers: killed, paused, cut off, scaled, on a composed stack that lives on afterwards."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from plantkeeper_hil.faults.trial import BaseTrial
from plantkeeper_hil.faults.world import World
from plantkeeper_hil.stack.compose import GATEWAY_PORT, SERVICES, ComposeStack

READY_TIMEOUT_S = 60.0


class ContainerWorld(World):
    """What runs in a composed stack, from now on.

    Args:
        stack: it runs; its client of the backend is not used.
    """

    def __init__(self, stack: ComposeStack) -> None:
        super().__init__(stack.backend.url, stack.secrets / "mock_ca.pem")
        self._stack, self._engine = stack, stack.engine
        self._before = int(self.backend.stats()["requests"])
        self._look_up()

    @property
    def gateways(self) -> Sequence[tuple[str, int]]:
        """Where boards post to; those that were killed are among them until the next start of a container."""
        return self._gateways

    @property
    def dsn(self) -> str:
        """Of the database."""
        return self._dsn

    @property
    def logs(self) -> str:
        """Where logs will be, for messages."""
        return str(self._stack.log_dir)

    def check_alive(self) -> None:
        """Make sure that every container runs.

        Raises:
            StackError: one does not; shows the end of its log.
        """
        self._stack.check_alive()

    def journal(self) -> list[dict[str, Any]]:
        """All requests that the backend got in this world, in order."""
        return self.backend.journal(after=self._before)

    def journal_length(self) -> int:
        """How many requests that were."""
        return int(self.backend.stats()["requests"]) - self._before

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU that each container has used since it was started."""
        return {name: used for service in SERVICES for name, used in self._engine.cpu_s(service).items()}

    def kill(self, service: str, number: int = 1) -> None:
        """`kill -9` a service's container; wait until it is gone."""
        self._engine.kill(self._engine.one(service, number))

    def start(self, service: str, number: int = 1) -> None:
        """Start what was killed, and wait until it is healthy."""
        container = self._engine.one(service, number)
        container.start()
        self._engine.wait_healthy(container, timeout_s=READY_TIMEOUT_S)
        self._look_up()

    def restart(self, service: str, number: int = 1) -> None:
        """Ask a service's container to end, start it again, and wait until it is healthy."""
        container = self._engine.one(service, number)
        container.restart()
        self._engine.wait_healthy(container, timeout_s=READY_TIMEOUT_S)
        self._look_up()

    def scale_gateways(self, count: int) -> None:
        """Have so many gateways."""
        self._stack.up("--no-recreate", "--scale", f"gateway={count}")
        self._look_up()

    @contextmanager
    def paused(self, service: str) -> Generator[None]:
        """A service's container stands still, all its processes."""
        container = self._engine.one(service)
        container.pause()
        try:
            yield
        finally:
            container.unpause()

    @contextmanager
    def cut_off(self, service: str, network: str) -> Generator[None]:
        """A service's container is not in a network."""
        container = self._engine.one(service)
        self._engine.disconnect(container, network)
        try:
            yield
        finally:
            self._engine.connect(container, network)

    def _look_up(self) -> None:
        """The engine gives a container other ports at each start."""
        self._gateways = self._engine.published("gateway", GATEWAY_PORT)
        self._dsn = self._stack.dsn


ContainerTrial = BaseTrial[ContainerWorld]
