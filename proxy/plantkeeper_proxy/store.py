"""Readings in PostgreSQL: stored together with their outbox entries, or not at all.

One connection commits one batch at a time. A batch is one transaction, so that its cost (one write to disk) is
shared by all readings in it; what each board is told depends on its own reading only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.queries import queries

REVISION = "0002"  # of the schema that this gateway needs
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 5_000
T = TypeVar("T")
Outcome = Stored | StoreError


class ReadingStore:
    """Stores readings. Safe to use from several threads; they take turns.

    Args:
        dsn: libpq connection string or URL.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def store(self, reading: Reading) -> Stored:
        """Commit one reading.

        Raises:
            StoreError: PostgreSQL did not commit it, or its word was lost on the way back, which the same key at
                the next attempt tells apart.
        """
        [outcome] = self.store_batch([reading])
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    def store_batch(self, readings: Sequence[Reading]) -> list[Outcome]:
        """Commit readings in one transaction, in their order; says for each what became of it.

        A reading that PostgreSQL refuses by itself spoils no other: the batch is then stored one by one.
        """
        try:
            return list(self._with_connection(lambda connection: _store(connection, readings)))
        except StoreError as error:
            if len(readings) == 1 or not isinstance(error.__cause__, psycopg2.DataError | psycopg2.IntegrityError):
                return [error] * len(readings)
        return [outcome for reading in readings for outcome in self.store_batch([reading])]

    def check(self) -> None:
        """Make sure that the database answers and has the schema that this gateway needs.

        Raises:
            StoreError: it does not; says why.
        """
        revision = self._with_connection(_revision)
        if revision != REVISION:
            raise StoreError(
                f"the schema is at revision {revision or 'none'}, this gateway needs {REVISION}; "
                "run plantkeeper-db migrate"
            )

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _with_connection(self, action: Callable[[Connection], T]) -> T:
        """Act on the connection; one that turns out to be dead from the start is replaced, once."""
        with self._lock:
            kept = self._connection is not None
            while True:
                connection = self._open()
                try:
                    return action(connection)
                except psycopg2.Error as error:
                    dead = connection.closed != 0
                    self._drop()
                    if not (dead and kept):
                        raise StoreError(f"PostgreSQL failed: {_reason(error)}") from error
                    kept = False

    def _open(self) -> Connection:
        if self._connection is None:
            try:
                self._connection = psycopg2.connect(
                    self._dsn,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    application_name="plantkeeper-gateway",
                    options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                )
            except psycopg2.Error as error:
                raise StoreError(f"cannot connect to PostgreSQL: {_reason(error)}") from error
            self._connection.autocommit = True  # the statements of one call are one transaction
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _store(connection: Connection, readings: Sequence[Reading]) -> list[Stored]:
    with connection.cursor() as cursor:
        cursor.execute(
            queries()["store"],
            {
                "device_id": [reading.device_id for reading in readings],
                "key": [reading.key for reading in readings],
                "temperature": [reading.temperature for reading in readings],
                "humidity": [reading.humidity for reading in readings],
                "light": [reading.light for reading in readings],
                "age_s": [reading.age_s for reading in readings],
            },
        )
        added = {(device_id, key) for device_id, key, _ in cursor.fetchall()}
        outcomes: list[Stored] = []
        known: dict[tuple[int, str | None], tuple[Any, ...]] = {}
        for reading in readings:
            name = (reading.device_id, reading.key)
            if reading.key is None:
                outcomes.append(Stored.NEW)
            elif name in added:
                added.discard(name)  # the same key again in this batch is a repeat
                known[name] = reading.values
                outcomes.append(Stored.NEW)
            else:
                values = known[name] if name in known else _find(cursor, reading)
                outcomes.append(Stored.REPEATED if values == reading.values else Stored.KEY_REUSED)
    return outcomes


def _find(cursor: Any, reading: Reading) -> tuple[Any, ...]:
    cursor.execute(queries()["find_by_key"], {"device_id": reading.device_id, "key": reading.key})
    row = cursor.fetchone()
    if row is None:
        name = f"device {reading.device_id}, key {reading.key}"
        raise StoreError(f"{name}: the reading vanished; was it deleted by hand?")
    return tuple(row)


def _revision(connection: Connection) -> str | None:
    with connection.cursor() as cursor:
        try:
            cursor.execute(queries()["revision"])
        except psycopg2.errors.UndefinedTable:
            return None
        row: tuple[Any, ...] | None = cursor.fetchone()
        return None if row is None else str(row[0])


def _reason(error: psycopg2.Error) -> str:
    return str(error).strip().replace("\n", " ") or type(error).__name__
