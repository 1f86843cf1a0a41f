"""What a run needs of a stack, whatever it is made of: processes of this machine, or containers."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient


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
