"""PostgreSQL through psycopg2, within an event loop or a thread: no call waits longer than it may.

libpq itself waits without an end once a statement is sent, and the server's statement_timeout is no help where the
server hangs. Here a clock of ours ends the wait (psycopg2's documentation, "Asynchronous support" and "Support for
coroutine libraries").
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from psycopg2 import extensions

from plantkeeper_proxy.errors import StoreError

CONNECT_TIMEOUT_S = 3.0
Row = tuple[Any, ...]


def server_options(wait_s: float) -> str:
    """Let the server give a statement up before we do, so that it is known that nothing was committed."""
    return f"-c statement_timeout={int(wait_s * 800)}"


def reason(error: BaseException) -> str:
    """Why, in one line."""
    return str(error).strip().replace("\n", " ") or type(error).__name__


class BlockingConnection(extensions.connection):
    """A connection for a thread; a call that takes longer than `wait_s` fails, and the connection with it."""

    wait_s: float = CONNECT_TIMEOUT_S


def connect_blocking(dsn: str, *, name: str, wait_s: float) -> BlockingConnection:
    """Connect for a thread; statements commit by themselves.

    Args:
        dsn: libpq connection string or URL.
        name: how the server lists the connection.
        wait_s: longest wait for a statement's result.

    Raises:
        StoreError: PostgreSQL cannot be reached within 3 s, or refuses us.
    """
    extensions.set_wait_callback(_wait)  # for all blocking connections of the process
    try:
        connection: BlockingConnection = psycopg2.connect(
            dsn, connection_factory=BlockingConnection, application_name=name, options=server_options(wait_s)
        )
    except psycopg2.Error as error:
        raise StoreError(f"cannot connect to PostgreSQL: {reason(error)}") from error
    connection.wait_s = wait_s
    connection.autocommit = True
    return connection


def _wait(connection: Any) -> None:
    limit_s = getattr(connection, "wait_s", CONNECT_TIMEOUT_S)
    deadline_s = time.monotonic() + limit_s
    while (state := connection.poll()) != extensions.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            raise psycopg2.OperationalError(f"no answer within {limit_s:g} s")


class Database:
    """One connection; statements commit by themselves, and run one after the other. Made by `connect`.

    Args:
        connection: an asynchronous one.
        wait_s: longest wait for a statement's result.
        notified: called with the payload of each notification.
        lost: called once the server has ended the connection while nothing was asked of it.
    """

    def __init__(
        self,
        connection: extensions.connection,
        wait_s: float,
        *,
        notified: Callable[[str], None] = lambda _payload: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection, self._wait_s = connection, wait_s
        self._notified, self._lost = notified, lost
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._fd = connection.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @property
    def is_open(self) -> bool:
        """False once the connection is of no more use."""
        return not self._connection.closed

    async def run(self, query: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement, or several as one transaction; returns the rows of the last.

        Raises:
            StoreError: it failed, `__cause__` says how; or there was no answer in time, and nobody knows.
        """
        async with self._turn:
            try:
                cursor = self._connection.cursor()
                cursor.execute(query, arguments)
                async with asyncio.timeout(self._wait_s):
                    await self._finished()
                rows = cursor.fetchall() if cursor.description is not None else []
            except psycopg2.Error as error:
                if (
                    self._connection.closed
                    or self._connection.info.transaction_status > extensions.TRANSACTION_STATUS_ACTIVE
                ):
                    self.close()
                raise StoreError(f"PostgreSQL failed: {reason(error)}") from error
            except TimeoutError as error:
                self.close()
                raise StoreError(f"PostgreSQL did not answer within {self._wait_s:g} s") from error
            except BaseException:
                self.close()
                raise
            self._tell()
            return rows

    def close(self) -> None:
        """Close the connection."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1
            self._connection.close()

    async def _finished(self) -> None:
        while (state := self._connection.poll()) != extensions.POLL_OK:
            self._ready = self._loop.create_future()
            if state == extensions.POLL_WRITE:
                self._loop.add_writer(self._fd, self._readable)
            try:
                await self._ready
            finally:
                self._ready = None
                if state == extensions.POLL_WRITE and self._fd >= 0:
                    self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        if self._ready is not None:
            if not self._ready.done():
                self._ready.set_result(None)
            return
        if self._turn.locked():  # a statement is about to look by itself
            return
        try:
            self._connection.poll()
        except psycopg2.Error:
            self.close()
            self._lost()
        else:
            self._tell()

    def _tell(self) -> None:
        notifies = self._connection.notifies
        while notifies:
            self._notified(notifies.pop(0).payload)


async def connect(
    dsn: str,
    *,
    name: str,
    wait_s: float,
    notified: Callable[[str], None] = lambda _payload: None,
    lost: Callable[[], None] = lambda: None,
) -> Database:
    """Connect.

    Args:
        dsn: libpq connection string or URL.
        name: how the server lists the connection.
        wait_s, notified, lost: see `Database`.

    Raises:
        StoreError: PostgreSQL cannot be reached within 3 s, or refuses us.
    """
    loop = asyncio.get_running_loop()

    def begin() -> extensions.connection:
        """In a thread: looking up the host's name may take its time."""
        connection: extensions.connection = psycopg2.connect(
            dsn, async_=True, application_name=name, options=server_options(wait_s)
        )
        return connection

    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await loop.run_in_executor(None, begin)
            try:
                await _connected(connection)
            except BaseException:
                connection.close()
                raise
    except (psycopg2.Error, TimeoutError) as error:
        said = reason(error) if isinstance(error, psycopg2.Error) else f"no answer within {CONNECT_TIMEOUT_S:g} s"
        raise StoreError(f"cannot connect to PostgreSQL: {said}") from error
    return Database(connection, wait_s, notified=notified, lost=lost)


async def _connected(connection: extensions.connection) -> None:
    """Wait until it is; libpq may change its socket on the way from address to address."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != extensions.POLL_OK:
        fd = connection.fileno()
        ready = loop.create_future()
        (loop.add_reader if state == extensions.POLL_READ else loop.add_writer)(fd, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(fd)
            loop.remove_writer(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
