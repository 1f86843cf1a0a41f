"""Readings in PostgreSQL: stored together with their outbox entries, or not at all.

A batch is one transaction, so that its cost (one write to disk) is shared by all readings in it; what each board is
told depends on its own reading only. Two ways in, with one set of rules: `BatchStore` for the event loop, and
`ReadingStore` for Flask's threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2

from plantkeeper_proxy.database import Database, Row, connect, server_options
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.queries import queries
from plantkeeper_proxy.session import Session

REVISION = "0003"  # of the schema that this gateway needs
WAIT_S = 5.0
# of which a statement may take so much, by our clock; the server gives it up earlier, so that it is known what became
# of it. Whoever comes too late for that is not sent at all.
STATEMENT_SHARE = 0.75
NAME = "plantkeeper-gateway"
Outcome = Stored | StoreError
Step = tuple[str, Mapping[str, Any]]
Storing = Generator[Step, list[Row], list[Stored]]


def storing(readings: Sequence[Reading]) -> Storing:
    """Commit readings in one transaction, in their order: a dialogue of named queries and their rows.

    Returns:
        What became of each.

    Raises:
        StoreError: the database contradicts itself.
    """
    rows = yield (
        "store",
        {
            "device_id": [reading.device_id for reading in readings],
            "key": [reading.key for reading in readings],
            "temperature": [reading.temperature for reading in readings],
            "humidity": [reading.humidity for reading in readings],
            "light": [reading.light for reading in readings],
            "age_s": [reading.age_s for reading in readings],
        },
    )
    new = {row[0] for row in rows}
    outcomes: list[Stored] = []
    for position, reading in enumerate(readings, start=1):
        if position in new:
            outcomes.append(Stored.NEW)
            continue
        found = yield "find_by_key", {"device_id": reading.device_id, "key": reading.key}
        if not found:
            name = f"device {reading.device_id}, key {reading.key}"
            raise StoreError(f"{name}: the reading vanished; was it deleted by hand?")
        outcomes.append(Stored.REPEATED if tuple(found[0]) == reading.values else Stored.KEY_REUSED)
    return outcomes


def is_about_a_reading(error: StoreError) -> bool:
    """Whether PostgreSQL refused something in a reading, rather than failed."""
    return isinstance(error.__cause__, psycopg2.DataError | psycopg2.IntegrityError)


class BatchStore:
    """Stores batches, one at a time, within an event loop.

    Args:
        dsn: libpq connection string or URL.
        wait_s: longest time for a batch, connecting to PostgreSQL included.
    """

    def __init__(self, dsn: str, *, wait_s: float = WAIT_S) -> None:
        self._dsn, self._wait_s = dsn, wait_s
        self._database: Database | None = None

    async def store_batch(self, readings: Sequence[Reading]) -> Sequence[Outcome]:
        """Commit readings within 5 s; says for each what became of it, and raises nothing.

        A reading that PostgreSQL refuses by itself spoils no other: the batch is then stored one by one. Nothing else
        is tried twice: where a connection breaks, nobody knows whether the batch was committed.
        """
        due_s = asyncio.get_running_loop().time() + self._wait_s
        outcomes = await self._try(readings, due_s)
        error = outcomes[0]
        if len(readings) == 1 or not (isinstance(error, StoreError) and is_about_a_reading(error)):
            return outcomes
        return [outcome for reading in readings for outcome in await self._try([reading], due_s)]

    async def _try(self, readings: Sequence[Reading], due_s: float) -> Sequence[Outcome]:
        """Commit all of them, or say of all why not."""
        try:
            async with asyncio.timeout_at(due_s):
                return await self._store(readings, due_s)
        except TimeoutError:
            error = StoreError(f"PostgreSQL did not answer within {self._wait_s:g} s")
        except StoreError as failure:
            error = failure
            if isinstance(error.__cause__, psycopg2.errors.ReadOnlySqlTransaction):
                self.close()  # a primary that became a standby: the next connection may find the new one
        return [error] * len(readings)

    async def _store(self, readings: Sequence[Reading], due_s: float) -> list[Stored]:
        if self._database is None or not self._database.is_open:
            self._database = await connect(self._dsn, name=NAME, wait_s=self._wait_s * STATEMENT_SHARE)
            await self._database.run(queries()["make_durable"])
            if asyncio.get_running_loop().time() > due_s - self._wait_s * STATEMENT_SHARE:
                raise StoreError("PostgreSQL took too long to connect; nothing was sent to it")
        dialogue = storing(readings)
        name, arguments = next(dialogue)
        while True:
            rows = await self._database.run(queries()[name], arguments)
            try:
                name, arguments = dialogue.send(rows)
            except StopIteration as end:
                stored: list[Stored] = end.value
                return stored

    def close(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()


class ReadingStore:
    """Stores single readings and answers questions. Safe to use from several threads; they take turns.

    Args:
        dsn: libpq connection string or URL.
        wait_s: longest time for a call, waiting for the turn and connecting included.
    """

    def __init__(self, dsn: str, *, wait_s: float = WAIT_S) -> None:
        self._dsn, self._wait_s = dsn, wait_s
        self._session: Session | None = None
        self._lock = threading.Lock()

    def store(self, reading: Reading) -> Stored:
        """Commit one reading.

        Raises:
            StoreError: PostgreSQL did not commit it, or its word was lost on the way back, which the same key at
                the next attempt tells apart.
        """
        with self._turn() as session:
            dialogue = storing([reading])
            name, arguments = next(dialogue)
            while True:
                rows = session.run(queries()[name], arguments)
                try:
                    name, arguments = dialogue.send(rows)
                except StopIteration as end:
                    [stored] = end.value
                    return Stored(stored)

    def check(self) -> None:
        """Make sure that the database answers and has the schema that this gateway needs.

        Raises:
            StoreError: it does not; says why.
        """
        try:
            rows = self.query("revision")
        except StoreError as error:
            if not isinstance(error.__cause__, psycopg2.errors.UndefinedTable):
                raise
            rows = []
        revision = rows[0][0] if rows else "none"
        if revision != REVISION:
            raise StoreError(
                f"the schema is at revision {revision}, this gateway needs {REVISION}; run plantkeeper-db migrate"
            )

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query of queries.sql.

        Raises:
            StoreError: PostgreSQL failed.
        """
        with self._turn() as session:
            return session.run(queries()[name], arguments)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    @contextmanager
    def _turn(self) -> Generator[Session]:
        due_s = time.monotonic() + self._wait_s
        if not self._lock.acquire(timeout=self._wait_s * (1 - STATEMENT_SHARE)):
            raise StoreError("others wait for PostgreSQL; nothing was sent to it")
        try:
            session = self._session or self._connect(due_s)
            if time.monotonic() > due_s - self._wait_s * STATEMENT_SHARE:
                raise StoreError("PostgreSQL took too long to connect; nothing was sent to it")
            session.due_s = due_s
            try:
                yield session
            except StoreError:
                self._drop()
                raise
        finally:
            self._lock.release()

    def _connect(self, due_s: float) -> Session:
        session = Session(self._dsn, name=NAME, options=server_options(self._wait_s * STATEMENT_SHARE))
        try:
            session.connect(due_s)
            session.run(queries()["make_durable"], None)
        except StoreError:
            session.close()
            raise
        self._session = session
        return session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
