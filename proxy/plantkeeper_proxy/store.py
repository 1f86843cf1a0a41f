"""Readings in PostgreSQL: stored together with their outbox entry, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name
from psycopg2.pool import ThreadedConnectionPool

from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.queries import queries

REVISION = "0001"  # of the schema that this gateway needs
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 5_000
T = TypeVar("T")


class Stored(Enum):
    """What became of a reading."""

    NEW = "new"
    REPEATED = "repeated"
    KEY_REUSED = "key reused"


class ReadingStore:
    """Stores readings; safe to use from several threads.

    Args:
        dsn: libpq connection string or URL.
        connections: how many are kept open; as many calls may run at once.
    """

    def __init__(self, dsn: str, *, connections: int) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: ThreadedConnectionPool | None = None
        self._lock = threading.Lock()

    def store(self, reading: Reading) -> Stored:
        """Commit a reading and its outbox entry in one transaction; a repeated key stores nothing.

        Raises:
            StoreError: PostgreSQL did not commit; nothing is stored, or its answer was lost on the way back,
                which the same key at the next attempt tells apart.
        """
        return self._with_connection(lambda connection: _store(connection, reading))

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
        """Close all connections."""
        with self._lock:
            if self._pool is not None:
                self._pool.closeall()
                self._pool = None

    def _with_connection(self, action: Callable[[Connection], T]) -> T:
        """Act on a connection; one that turns out to be dead is replaced once, with all its siblings."""
        for last_attempt in (False, True):
            pool = self._open_pool()
            try:
                connection = pool.getconn()
            except psycopg2.Error as error:
                raise StoreError(f"no connection to PostgreSQL: {_reason(error)}") from error
            try:
                result = action(connection)
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                dead = connection.closed != 0
                pool.putconn(connection, close=True)
                if dead:
                    self._discard(pool)
                    if not last_attempt:
                        continue
                raise StoreError(f"PostgreSQL failed: {_reason(error)}") from error
            except psycopg2.Error as error:
                pool.putconn(connection, close=True)
                raise StoreError(f"PostgreSQL refused: {_reason(error)}") from error
            pool.putconn(connection)
            return result
        raise AssertionError("the loop ends by return or raise")

    def _open_pool(self) -> ThreadedConnectionPool:
        with self._lock:
            if self._pool is None:
                try:
                    self._pool = ThreadedConnectionPool(
                        self._connections,
                        self._connections,
                        self._dsn,
                        connect_timeout=CONNECT_TIMEOUT_S,
                        application_name="plantkeeper-gateway",
                        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                    )
                except psycopg2.Error as error:
                    raise StoreError(f"cannot connect to PostgreSQL: {_reason(error)}") from error
            return self._pool

    def _discard(self, pool: ThreadedConnectionPool) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None


def _store(connection: Connection, reading: Reading) -> Stored:
    connection.autocommit = True  # the statements of one call are one transaction
    with connection.cursor() as cursor:
        cursor.execute(
            queries()["store"],
            {
                "device_id": reading.device_id,
                "key": reading.key,
                "temperature": reading.temperature,
                "humidity": reading.humidity,
                "light": reading.light,
                "age_s": reading.age_s,
            },
        )
        if cursor.fetchone() is not None:
            return Stored.NEW
        cursor.execute(queries()["find_by_key"], {"device_id": reading.device_id, "key": reading.key})
        row = cursor.fetchone()
    if row is None:
        raise StoreError(
            f"device {reading.device_id}, key {reading.key}: the reading vanished; was it deleted by hand?"
        )
    return Stored.REPEATED if tuple(row[1:]) == reading.values else Stored.KEY_REUSED


def _revision(connection: Connection) -> str | None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        try:
            cursor.execute(queries()["revision"])
        except psycopg2.errors.UndefinedTable:
            return None
        row: tuple[Any, ...] | None = cursor.fetchone()
        return None if row is None else str(row[0])


def _reason(error: psycopg2.Error) -> str:
    return str(error).strip().replace("\n", " ") or type(error).__name__
