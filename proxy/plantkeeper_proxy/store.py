"""Readings in PostgreSQL: stored together with their outbox entries, or not at all.

A batch is one transaction, so that its cost (one write to disk) is shared by all readings in it; what each board is
told depends on its own reading only. Two ways in, with one set of rules: `BatchStore` for the event loop, and
`ReadingStore` for Flask's threads.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2

from plantkeeper_proxy.database import Database, Row, connect
from plantkeeper_proxy.database_blocking import BlockingDatabase
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.queries import queries
from plantkeeper_proxy.schema import judge_failure, judge_revision

WAIT_S = 5.0
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
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._database: Database | None = None

    async def store_batch(self, readings: Sequence[Reading]) -> Sequence[Outcome]:
        """Commit readings; says for each what became of it, and raises nothing.

        A reading that PostgreSQL refuses by itself spoils no other: the batch is then stored one by one. Nothing else
        is tried twice: where a connection breaks, nobody knows whether the batch was committed.
        """
        try:
            return await self._store(readings)
        except StoreError as error:
            if len(readings) == 1 or not is_about_a_reading(error):
                return [error] * len(readings)
        return [outcome for reading in readings for outcome in await self.store_batch([reading])]

    async def _store(self, readings: Sequence[Reading]) -> list[Stored]:
        if self._database is None or not self._database.is_open:
            self._database = await connect(self._dsn, name=NAME, wait_s=WAIT_S)
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
        wait_s: longest wait for a statement's result.
    """

    def __init__(self, dsn: str, *, wait_s: float = WAIT_S) -> None:
        self._dsn, self._wait_s = dsn, wait_s
        self._database: BlockingDatabase | None = None
        self._lock = threading.Lock()

    def store(self, reading: Reading) -> Stored:
        """Commit one reading.

        Raises:
            StoreError: PostgreSQL did not commit it, or its word was lost on the way back, which the same key at
                the next attempt tells apart.
        """
        with self._open() as database:
            dialogue = storing([reading])
            step = next(dialogue)
            while True:
                rows = database.run(queries()[step[0]], step[1])
                try:
                    step = dialogue.send(rows)
                except StopIteration as end:
                    [stored] = end.value
                    return Stored(stored)

    def check(self) -> None:
        """Make sure that the database answers and has the schema that this gateway needs.

        Raises:
            SchemaError: it has another.
            StoreError: it does not answer; says why.
        """
        try:
            rows = self.query("revision")
        except StoreError as error:
            judge_failure(error)
        else:
            judge_revision(rows)

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query of queries.sql.

        Raises:
            StoreError: PostgreSQL failed, or did not answer in time.
        """
        with self._open() as database:
            return database.run(queries()[name], arguments)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._database is not None:
                self._database.close()

    @contextmanager
    def _open(self) -> Generator[BlockingDatabase]:
        with self._lock:
            if self._database is None or not self._database.is_open:
                self._database = None
                self._database = BlockingDatabase(self._dsn, name=NAME, wait_s=self._wait_s)
            yield self._database
