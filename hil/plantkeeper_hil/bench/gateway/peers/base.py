"""What a server under load is, to the scenarios: a port, processes, and perhaps a backlog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from plantkeeper_hil.bench.gateway.backend import Target
from plantkeeper_hil.stack.service import Service

READY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Place:
    """Where a peer may live.

    Args:
        folder: its own, short, gone after the run.
        log_dir: for its logs; they stay.
        backend: where it forwards to.
        as_root: whether we are root.
        watch: to be told of each process id, so that it is ended even where the run is killed.
        cache: a folder that stays from run to run, for what is costly to install.
    """

    folder: Path
    log_dir: Path
    backend: Target
    as_root: bool
    watch: Callable[[int], None]
    cache: Path


@dataclass
class Running:
    """A peer that runs.

    Args:
        port: where boards post to, on 127.0.0.1.
        services: its processes by name; each is the root of a tree.
        waiting: readings that it accepted and the backend does not have yet; None where it keeps none.
        stop: ends all.
        stored: readings that it has stored so far; None where it stores none that could be counted.
        dsn: its database, where it has one.
        observers: processes in those trees that serve this benchmark's questions; what they take is not the peer's.
    """

    name: str
    port: int
    services: Mapping[str, int]
    stop: Callable[[], None]
    waiting: Callable[[], int] | None = None
    stored: Callable[[], int] | None = None
    dsn: str | None = None
    observers: tuple[int, ...] = ()


class Peer(Protocol):
    """A kind of server."""

    @property
    def name(self) -> str:
        """In tables and files."""

    @property
    def needs_host(self) -> bool:
        """Whether it refuses requests without a `Host` header, as boards in the field send them."""

    @property
    def forwards(self) -> bool:
        """Whether readings reach the backend through it."""

    def missing(self) -> str | None:
        """Why it cannot be measured on this machine, with the remedy; None where it can."""

    def start(self, place: Place) -> Running:
        """Start it and wait until it is ready."""


@dataclass(frozen=True)
class Entrant:
    """A peer that takes part."""

    peer: Peer
    running: Running

    @property
    def name(self) -> str:
        """Its name."""
        return self.peer.name


def stopper(*services: Service) -> Callable[[], None]:
    """Ends services in the reverse of the order given."""

    def stop() -> None:
        for service in reversed(services):
            service.end()

    return stop
