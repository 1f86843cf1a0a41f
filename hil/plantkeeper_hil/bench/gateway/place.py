"""The run's folder, its backends and its servers: all of it is gone when the run is over, however it ends."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.peers.base import Peer, Place, Running
from plantkeeper_hil.stack.janitor import Janitor


class Site:
    """Where a run takes place; a context manager.

    Args:
        log_dir: logs of all processes; they stay.
        cache: what peers install; it stays.
    """

    def __init__(self, log_dir: Path, cache: Path) -> None:
        self._log_dir, self._cache = log_dir.resolve(), cache.resolve()
        self._undo = ExitStack()
        self._numbers: Iterator[int] = itertools.count(1)

    def __enter__(self) -> Self:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for log in self._log_dir.glob("**/*.log"):
            log.unlink()
        self._cache.mkdir(parents=True, exist_ok=True)
        self._janitor = Janitor()
        self._undo.callback(self._janitor.close)
        self._folder = self._janitor.make_folder()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._undo.close()

    @property
    def _as_root(self) -> bool:
        return os.geteuid() == 0

    def _room(self, name: str) -> tuple[Path, Path]:
        number = next(self._numbers)
        folder, log_dir = self._folder / str(number), self._log_dir / f"{number}-{name}"
        folder.mkdir()
        log_dir.mkdir(parents=True, exist_ok=True)
        if self._as_root:  # PostgreSQL runs as nobody there, and must pass through
            self._folder.chmod(0o711)
            folder.chmod(0o711)
        return folder, log_dir

    @contextmanager
    def backend(self, *, delay_s: float = 0.0) -> Iterator[Backend]:
        """A backend that answers after `delay_s`."""
        name = f"backend-{delay_s * 1000:g}ms" if delay_s else "backend"
        folder, log_dir = self._room(name)
        backend = Backend.start(name, folder=folder, log_dir=log_dir, as_root=self._as_root, delay_s=delay_s)
        self._janitor.watch_process(backend.service.pid)
        try:
            yield backend
        finally:
            backend.close()

    @contextmanager
    def server(self, peer: Peer, backend: Backend) -> Iterator[Running]:
        """A server that forwards to a backend."""
        folder, log_dir = self._room(peer.name)
        place = Place(folder, log_dir, backend.target, self._as_root, self._janitor.watch_process, self._cache)
        running = peer.start(place)
        try:
            yield running
        finally:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)  # a database of a million readings must not wait for the janitor


def boots_from(start: int) -> Callable[[], int]:
    """Boot counters that never repeat within a run."""
    return itertools.count(start).__next__
