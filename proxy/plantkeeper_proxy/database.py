"""PostgreSQL through psycopg2 within an event loop: no call waits longer than it may, no thread, news as it comes.

libpq itself waits without an end once a statement is sent, and the server's statement_timeout is no help where the
server hangs; here the loop's clock ends the wait (psycopg2's documentation, "Asynchronous support"). For threads:
session.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

from plantkeeper_proxy import arrays
from plantkeeper_proxy.errors import StoreError

CONNECT_TIMEOUT_S = 3.0
ARGUMENT = re.compile(r"%\((\w+)\)s(::\w+(?:\[\])?)?")
Row = tuple[Any, ...]


def server_options(wait_s: float) -> str:
    """Let the server give a statement up before we do, so that it is known that nothing was committed; no JIT.

    A server with LLVM would compile each statement anew, since what PLANNING forbids looks expensive to it.
    """
    return f"-c statement_timeout={int(wait_s * 800)} -c jit=off"


# Statements are planned once a connection. Each is a walk through an index, which is the right plan for a table of any
# size; a plan made while the outbox was empty must not scan it when a million readings wait.
PLANNING = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"


def reason(error: BaseException) -> str:
    """Why, in one line."""
    return str(error).strip().replace("\n", " ") or type(error).__name__


def prepare(query: str, name: str) -> tuple[str, str]:
    """The statement that prepares a query, and the one that runs it with the same arguments.

    A query with arguments before its last statement stays as it is: nothing prepares it.

    Args:
        query: statements divided by semicolons, of which the last has arguments such as `%(id)s::integer`; their
            types come from the casts.
        name: of the prepared statement.
    """
    *before, last = [statement.strip() for statement in query.rstrip().rstrip(";").split(";")]
    if any(map(ARGUMENT.search, before)):
        return "", query
    casts: dict[str, str] = {}
    for argument, cast in ARGUMENT.findall(last):
        casts[argument] = casts.get(argument) or cast
    numbers = {argument: number for number, argument in enumerate(casts, start=1)}
    prepared = ARGUMENT.sub(lambda found: f"${numbers[found[1]]}{casts[found[1]]}", last).replace("%%", "%")
    arguments = ", ".join(f"%({argument})s{cast}" for argument, cast in casts.items())
    return f"PREPARE {name} AS {prepared}", "; ".join([*before, f"EXECUTE {name} ({arguments})"])


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
        self._executions: dict[str, str] = {}
        self._fd = connection.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @property
    def is_open(self) -> bool:
        """False once the connection is of no more use."""
        return not self._connection.closed

    async def run(self, query: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement, or several as one transaction; returns the rows of the last.

        One with arguments is prepared, once a connection: planning `store` costs PostgreSQL more than running it. Lists
        are passed as array literals, so each needs a cast in the query.

        Raises:
            StoreError: it failed, `__cause__` says how; or there was no answer in time, and nobody knows.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._wait_s):
                    if arguments:
                        query = await self._prepared(query)
                        arguments = {
                            name: arrays.literal(value) if isinstance(value, list) else value
                            for name, value in arguments.items()
                        }
                    rows = await self._execute(query, arguments)
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

    @contextmanager
    def deaf(self) -> Generator[None]:
        """Hear of notifications and of the connection's end only afterwards. Not while a statement runs."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
        try:
            yield
        finally:
            if self._fd >= 0:
                self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Close the connection."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1
            self._connection.close()

    async def _prepared(self, query: str) -> str:
        """What runs a query that is prepared."""
        execution = self._executions.get(query)
        if execution is None:
            preparation, execution = prepare(query, f"query{len(self._executions)}")
            if preparation:
                await self._execute(preparation, None)
            self._executions[query] = execution
        return execution

    async def _execute(self, query: str, arguments: Mapping[str, Any] | None) -> list[Row]:
        cursor = self._connection.cursor()
        cursor.execute(query, arguments)
        await self._finished()
        return cursor.fetchall() if cursor.description is not None else []

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
            dsn, async_=True, application_name=name, options=f"{server_options(wait_s)} {PLANNING}"
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
