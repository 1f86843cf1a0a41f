"""The Docker engine's API, for the containers of one Compose project: their state, and what can be done to them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.compose_cli import WITHOUT_DOCKER

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
POLL_S = 0.05
STOP_S = 15
LINES_SHOWN = 15


class Engine:
    """The containers of a project.

    Args:
        project: its name.

    Raises:
        StackError: no engine answers.
    """

    def __init__(self, project: str) -> None:
        self._project = project
        try:
            self._client = docker.from_env()
            self._client.ping()
        except DockerException as error:
            raise StackError(f"no Docker engine answers ({error}): {WITHOUT_DOCKER}") from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def all(self, service: str) -> list[Container]:
        """A service's containers in the order of their numbers, whatever their state."""
        labels = [f"{PROJECT}={self._project}", f"{SERVICE}={service}"]
        found = self._client.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda container: int(container.labels[NUMBER]))

    def one(self, service: str, number: int = 1) -> Container:
        """A service's container.

        Raises:
            StackError: there is none of that number.
        """
        found = self.all(service)
        if not 1 <= number <= len(found):
            raise StackError(f"{service} has {len(found)} containers, there is no number {number}")
        return found[number - 1]

    def published(self, service: str, port: int) -> list[tuple[str, int]]:
        """Where a service's running containers can be reached from this machine."""
        found = []
        for container in self.all(service):
            if container.status == "running":
                bindings = container.ports.get(f"{port}/tcp") or []
                found += [(binding["HostIp"], int(binding["HostPort"])) for binding in bindings]
        return found

    def check_alive(self, service: str) -> None:
        """Make sure that each of a service's containers runs.

        Raises:
            StackError: one does not, or there is none; shows the end of its log.
        """
        found = self.all(service)
        if not found:
            raise StackError(f"{service} has no container")
        for container in found:
            if container.status not in {"running", "paused"}:
                said = container.logs(tail=LINES_SHOWN).decode(errors="replace")
                raise StackError(f"{container.name} is {container.status}; its log ends with:\n{said}")

    def wait_healthy(self, *containers: Container, timeout_s: float) -> None:
        """Wait until containers are healthy.

        Raises:
            StackError: one ended, or was not in time.
        """
        end_s = time.monotonic() + timeout_s
        for container in containers:
            while (health := self._health(container)) != "healthy":
                if time.monotonic() > end_s:
                    raise StackError(f"{container.name} is {health}, not healthy within {timeout_s:g} s")
                time.sleep(POLL_S)

    def kill(self, *containers: Container) -> None:
        """SIGKILL, all at once; wait until they are gone."""
        for container in containers:
            container.kill()
        for container in containers:
            container.wait(timeout=STOP_S)

    def disconnect(self, container: Container, network: str) -> None:
        """Pull a container's cable to one of the project's networks."""
        self._client.networks.get(f"{self._project}_{network}").disconnect(container)

    def connect(self, container: Container, network: str) -> None:
        """Plug it in again, under the names that Compose gives."""
        aliases = [container.labels[SERVICE], str(container.short_id)]
        self._client.networks.get(f"{self._project}_{network}").connect(container, aliases=aliases)

    def cpu_s(self, service: str) -> dict[str, float]:
        """Seconds of CPU that each running container of a service has used, by its name."""
        running = [container for container in self.all(service) if container.status == "running"]
        stats = {str(one.name): self._client.api.stats(str(one.id), stream=False, one_shot=True) for one in running}
        return {name: round(one["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, 2) for name, one in stats.items()}

    def logs(self, services: Sequence[str]) -> dict[str, str]:
        """What each container said, by its name."""
        found = [container for service in services for container in self.all(service)]
        return {str(container.name): container.logs().decode(errors="replace") for container in found}

    def _health(self, container: Container) -> str:
        container.reload()
        if container.status in {"exited", "dead"}:
            said = container.logs(tail=LINES_SHOWN).decode(errors="replace")
            raise StackError(f"{container.name} ended; its log ends with:\n{said}")
        return str(container.attrs["State"].get("Health", {}).get("Status", "without a health check"))
