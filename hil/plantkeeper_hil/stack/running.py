"""A stack that somebody else runs: `nox -s stack`, found by its gateway's URL and what it says in build/stack.json."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient, gateway_is_ready


class RunningStack:
    """A `Stack` that is neither started nor ended here.

    Args:
        url: of its gateway on this machine, such as http://127.0.0.1:8080.
        description: the file in which it says where its parts are.

    Raises:
        StackError: on entering, where it does not run, or nobody said what stands behind the gateway.
    """

    def __init__(self, url: str, description: Path) -> None:
        self.url, self.description = url.rstrip("/"), description
        self._backend: BackendClient | None = None
        self._database: DatabaseClient | None = None

    def __enter__(self) -> Self:
        parts = self._parts()
        if not gateway_is_ready(f"http://127.0.0.1:{self.gateway_port}"):
            raise StackError(f"no gateway is ready at {self.url}; start one: nox -s stack")
        ca = parts["backend_ca"]
        if ca is None:
            raise StackError(f"the stack at {self.url} has a backend that is not the mock: it keeps no journal")
        self._backend = BackendClient(parts["backend_url"], Path(ca))
        self._database = DatabaseClient(parts["database_dsn"])
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in (self._backend, self._database):
            if client is not None:
                client.close()

    @property
    def gateway_port(self) -> int:
        """Where boards post to, on 127.0.0.1."""
        return port_of(self.url)

    @property
    def backend(self) -> BackendClient:
        """The mock backend's journal."""
        if self._backend is None:
            raise StackError(f"the stack at {self.url} was not entered")
        return self._backend

    @property
    def database(self) -> DatabaseClient:
        """What is stored."""
        if self._database is None:
            raise StackError(f"the stack at {self.url} was not entered")
        return self._database

    @property
    def log_dir(self) -> Path:
        """Where its logs are."""
        return self.description.parent / "stack" / "logs"

    def check_alive(self) -> None:
        """Make sure that its gateway answers.

        Raises:
            StackError: it does not.
        """
        if not gateway_is_ready(f"http://127.0.0.1:{self.gateway_port}"):
            raise StackError(f"the gateway at {self.url} is not ready any more; logs: {self.log_dir}")

    def _parts(self) -> dict[str, Any]:
        try:
            parts: dict[str, Any] = json.loads(self.description.read_text())
        except (OSError, ValueError) as error:
            raise StackError(
                f"{self.description} does not say what stands behind {self.url} ({error}); start it here: nox -s stack"
            ) from error
        if port_of(parts["gateway_url"]) != self.gateway_port:
            raise StackError(
                f"{self.description} is of the gateway at {parts['gateway_url']}, not of {self.url}; name that one"
            )
        return parts


def port_of(url: str) -> int:
    """The port of an http:// URL.

    Raises:
        StackError: it has none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise StackError(f"--hil-stack={url}: {error}; expected a URL such as http://127.0.0.1:8080") from error
    if parts.scheme != "http" or not parts.hostname:
        raise StackError(f"--hil-stack={url}: expected local, compose, or a URL such as http://127.0.0.1:8080")
    return port
