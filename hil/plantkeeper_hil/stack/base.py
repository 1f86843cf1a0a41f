"""What a run needs of a stack, whatever it is made of; and the start and end of one that is made here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.janitor import Janitor


class Stack(Protocol):
    """A stack; a context manager that brings it up and takes it down."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    @property
    def gateway_port(self) -> int:
        """Where boards post to, on 127.0.0.1."""
        ...

    @property
    def backend(self) -> BackendClient:
        """The mock backend's journal."""
        ...

    @property
    def database(self) -> DatabaseClient:
        """What is stored."""
        ...

    @property
    def log_dir(self) -> Path:
        """Where logs are."""
        ...

    def check_alive(self) -> None:
        """Make sure that every part runs.

        Raises:
            StackError: one does not; shows the end of its log.
        """
        ...


class OwnStack(ABC):
    """A stack of our own: entering clears the logs of an earlier one and starts it, leaving ends and removes it.

    A janitor does so where the process is killed. What was started is ended where the rest does not come up.

    Args:
        log_dir: logs of all parts; they stay.
    """

    LOGS = ("*.log", "*.jsonl")

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self._backend: BackendClient | None = None
        self._database: DatabaseClient | None = None

    def __enter__(self) -> Self:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        for pattern in self.LOGS:
            for log in self.log_dir.glob(pattern):
                log.unlink()
        self._janitor = Janitor()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """End and remove everything; logs stay. What cannot be ended from here, the janitor ends."""
        try:
            for client in (self._backend, self._database):
                if client is not None:
                    client.close()
            self._backend = self._database = None
            self._stop()
        finally:
            self._janitor.close()

    @abstractmethod
    def _start(self) -> None:
        """Bring every part up, or raise StackError; whatever is started is announced to the janitor first."""

    @abstractmethod
    def _stop(self) -> None:
        """End what `_start` got to start; also after a failure, and twice."""
