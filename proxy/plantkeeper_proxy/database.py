"""PostgreSQL through psycopg2 within an event loop: no call waits longer than it may, no thread, news as it comes.

libpq itself waits without an end once a statement is sent, and the server's statement_timeout is no help where the
server hangs; here the loop's clock ends the wait (psycopg2's documentation, "Asynchronous support"). For threads:
session.py.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg2
from psycopg2 import extensions

from plantkeeper_proxy import arrays
from plantkeeper_proxy.errors import StoreError

CONNECT_TIMEOUT_S = 3.0
ARGUMENT = re.compile(r"%\((\w+)\)s(::\w+(?:\[\])?)?")
Row = tuple[Any, ...]
Done = Callable[[list[Row] | StoreError], None]


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


class _Statement:
    """A statement, or several as one transaction, that somebody waits for."""

    __slots__ = ("arguments", "done", "due_s", "execution", "has_failed", "query", "timer")

    def __init__(self, query: str, arguments: Mapping[str, Any] | None, done: Done, due_s: float) -> None:
        self.query, self.arguments, self.done, self.due_s = query, arguments, done, due_s
        self.timer: asyncio.TimerHandle | None = None
        self.execution: tuple[str, Mapping[str, Any]] | None = None  # follows the preparation that runs
        self.has_failed = False  # which is about to be told


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
        self._executions: dict[str, str] = {}
        self._statement: _Statement | None = None  # that runs
        self._waiting: deque[_Statement] = deque()
        self._cursor: extensions.cursor | None = None
        self._writing = False
        self._fd = connection.fileno()
        self._loop.add_reader(self._fd, self._ready)

    @property
    def is_open(self) -> bool:
        """False once the connection is of no more use."""
        return not self._connection.closed

    async def run(self, query: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement, or several as one transaction, when its turn comes; returns the rows of the last.

        Raises:
            StoreError: it failed, `__cause__` says how; or there was no answer in time, and nobody knows.
        """
        ended = self._loop.create_future()
        statement = self._start(_Statement(query, arguments, partial(_settle, ended), float("inf")))
        try:
            result: list[Row] | StoreError = await ended
        except BaseException:
            if statement in self._waiting:
                self._waiting.remove(statement)
            elif statement is self._statement:
                self.close()
            raise
        if isinstance(result, StoreError):
            raise result
        return result

    def start(
        self, query: str, arguments: Mapping[str, Any] | None, done: Done, *, due_s: float = float("inf")
    ) -> None:
        """The same by a callback, for what runs for every reading: no task, and one timer.

        A statement with arguments is prepared, once a connection: planning `store` costs PostgreSQL more than running
        it. Lists are passed as array literals, so each needs a cast in the query.

        Args:
            done: is told the rows of the last statement, or why there are none; never within this call.
            due_s: wait until then at most, by the loop's clock.
        """
        self._start(_Statement(query, arguments, done, due_s))

    @contextmanager
    def deaf(self) -> Generator[None]:
        """Hear of notifications and of the connection's end only afterwards. Not while a statement runs."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
        try:
            yield
        finally:
            if self._fd >= 0:
                self._loop.add_reader(self._fd, self._ready)

    def close(self) -> None:
        """Close the connection; what runs fails."""
        self._drop()
        if self._statement is not None:
            self._fail_soon(self._statement, StoreError("the connection to PostgreSQL was closed"))

    def _drop(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1
            self._connection.close()

    def _start(self, statement: _Statement) -> _Statement:
        if self._statement is None:
            self._begin(statement)
        else:
            self._waiting.append(statement)
        return statement

    def _begin(self, statement: _Statement) -> None:
        self._statement = statement
        now_s = self._loop.time()
        if now_s >= statement.due_s:
            self._fail_soon(statement, StoreError("PostgreSQL was busy until it was too late to ask it"))
            return
        statement.timer = self._loop.call_at(min(now_s + self._wait_s, statement.due_s), self._give_up, statement)
        try:
            query, arguments = statement.query, statement.arguments
            if arguments:
                query, arguments = self._prepared(statement, query, arguments)
            if self._send(query, arguments) == extensions.POLL_OK:
                self._loop.call_soon(self._ready)
        except Exception as error:
            self._fail_soon(statement, self._failure(error))

    def _prepared(
        self, statement: _Statement, query: str, arguments: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any] | None]:
        """What is to be sent first: the statement's execution, or its preparation, which its execution follows."""
        arguments = {
            name: arrays.literal(value) if isinstance(value, list) else value for name, value in arguments.items()
        }
        execution = self._executions.get(query)
        if execution is None:
            preparation, execution = prepare(query, f"query{len(self._executions)}")
            if preparation:
                statement.execution = execution, arguments
                return preparation, None
        return execution, arguments

    def _send(self, query: str, arguments: Mapping[str, Any] | None) -> int:
        self._cursor = self._connection.cursor()
        self._cursor.execute(query, arguments)
        return self._poll()

    def _poll(self) -> int:
        """Let libpq do what it can, and wait for what it needs."""
        state = self._connection.poll()
        if (state == extensions.POLL_WRITE) is not self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._fd, self._ready)
            else:
                self._loop.remove_writer(self._fd)
        return state

    def _ready(self) -> None:
        """The connection may be read, or written to where that is waited for."""
        if self._statement is not None:
            if not self._statement.has_failed:
                self._go_on(self._statement)
            return
        if self._fd < 0:
            return
        try:
            self._connection.poll()
        except psycopg2.Error:
            self._drop()
            self._lost()
        else:
            self._tell()

    def _go_on(self, statement: _Statement) -> None:
        """Go on with the statement that runs, as far as the connection lets us."""
        try:
            state = self._poll()
            while state == extensions.POLL_OK and statement.execution is not None:
                execution, arguments = statement.execution
                self._executions[statement.query], statement.execution = execution, None
                state = self._send(execution, arguments)
            if state != extensions.POLL_OK:
                return
            cursor = self._cursor
            rows = cursor.fetchall() if cursor is not None and cursor.description is not None else []
        except Exception as error:
            self._end(statement, self._failure(error))
            return
        try:
            self._tell()
        finally:
            self._end(statement, rows)

    def _failure(self, error: Exception) -> StoreError:
        """What to say of it; a connection that is not as it was before the statement is of no more use."""
        bug = not isinstance(error, psycopg2.Error)  # such as a text that cannot be encoded
        status = self._connection.info.transaction_status
        if bug or self._connection.closed or status > extensions.TRANSACTION_STATUS_ACTIVE:
            self._drop()
        failure = StoreError(f"internal error: {error!r}" if bug else f"PostgreSQL failed: {reason(error)}")
        failure.__cause__ = error
        return failure

    def _fail_soon(self, statement: _Statement, failure: StoreError) -> None:
        """Never from within `start` or `close`."""
        statement.has_failed = True
        self._loop.call_soon(self._end, statement, failure)

    def _give_up(self, statement: _Statement) -> None:
        self._drop()
        self._end(statement, StoreError(f"PostgreSQL did not answer within {self._wait_s:g} s"))

    def _end(self, statement: _Statement, result: list[Row] | StoreError) -> None:
        if statement is not self._statement:
            return  # it ended before
        self._statement = self._cursor = None
        if statement.timer is not None:
            statement.timer.cancel()
        if self._waiting:
            self._begin(self._waiting.popleft())
        statement.done(result)

    def _tell(self) -> None:
        notifies = self._connection.notifies
        while notifies:
            self._notified(notifies.pop(0).payload)


def _settle(ended: asyncio.Future[list[Row] | StoreError], result: list[Row] | StoreError) -> None:
    if not ended.done():
        ended.set_result(result)


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
