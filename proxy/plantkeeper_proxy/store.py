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
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import REPLAYED, Refused, Signed, Verdict, devices_of, judge
from plantkeeper_proxy.database import Database, Row, connect, connect_blocking, reason
from plantkeeper_proxy.dialogue import Dialogue, converse, converse_blocking
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.queries import queries

REVISION = "0004"  # of the schema that this gateway needs
WAIT_S = 5.0
NAME = "plantkeeper-gateway"
JUDGED_AT_MOST = 5  # times, while an operator changes keys


def storing(submissions: Sequence[Submission], ring: KeyRing) -> Dialogue[list[Outcome]]:
    """Judge a batch, and commit what is accepted of it in one transaction, in order.

    Returns:
        What became of each.

    Raises:
        StoreError: the database contradicts itself, or keys change all the time.
    """
    claims = [submission.claim for submission in submissions]
    for _ in range(JUDGED_AT_MOST):
        verdicts = judge(claims, (yield from ring.keys_of(devices_of(claims))))
        yield from ring.mark_used([verdict for verdict in verdicts if isinstance(verdict, Signed)])
        accepted = [position for position, verdict in enumerate(verdicts) if not isinstance(verdict, Refused)]
        outcomes: list[Outcome | None] = [verdict if isinstance(verdict, Refused) else None for verdict in verdicts]
        if accepted:
            arguments = _columns([submissions[position] for position in accepted], [verdicts[p] for p in accepted])
            [(new, version, _)] = yield "store", {**arguments, "version": ring.version}
        else:  # nobody is refused by keys that have changed
            new, version = [], (yield from device_keys.key_version())
        if version != ring.version:
            ring.forget()
            continue
        for position in new:
            outcomes[accepted[position - 1]] = Stored.NEW
        found: list[Outcome] = []
        for outcome, submission, verdict in zip(outcomes, submissions, verdicts, strict=True):
            found.append(outcome if outcome is not None else (yield from _known(submission, verdict)))
        return found
    raise StoreError("device keys change all the time; is a command about them run in a loop?")


def _columns(submissions: Sequence[Submission], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    readings = [submission.reading for submission in submissions]
    return {
        "device_id": [reading.device_id for reading in readings],
        "key": [reading.key for reading in readings],
        "temperature": [reading.temperature for reading in readings],
        "humidity": [reading.humidity for reading in readings],
        "light": [reading.light for reading in readings],
        "age_s": [reading.age_s for reading in readings],
        "boot": [verdict.boot if isinstance(verdict, Signed) else None for verdict in verdicts],
        "sequence": [verdict.sequence if isinstance(verdict, Signed) else None for verdict in verdicts],
    }


def _known(submission: Submission, verdict: Verdict) -> Dialogue[Outcome]:
    """What to say of a reading that was not stored: a repeat, a key used for something else, or a replay."""
    reading = submission.reading
    rows = yield "find_by_key", {"device_id": reading.device_id, "key": reading.key}
    if rows:
        return Stored.REPEATED if tuple(rows[0]) == reading.values else Stored.KEY_REUSED
    if isinstance(verdict, Signed):
        return REPLAYED
    raise StoreError(f"device {reading.device_id}, key {reading.key}: the reading vanished; was it deleted by hand?")


def is_about_a_reading(error: StoreError) -> bool:
    """Whether PostgreSQL refused something in a reading, rather than failed."""
    return isinstance(error.__cause__, psycopg2.DataError | psycopg2.IntegrityError)


class BatchStore:
    """Stores batches, one at a time, within an event loop.

    Args:
        dsn: libpq connection string or URL.
        ring: the keys that devices sign with.
    """

    def __init__(self, dsn: str, ring: KeyRing) -> None:
        self._dsn, self._ring = dsn, ring
        self._database: Database | None = None

    async def store_batch(self, submissions: Sequence[Submission]) -> Sequence[Outcome | StoreError]:
        """Commit readings; says for each what became of it, and raises nothing.

        A reading that PostgreSQL refuses by itself spoils no other: the batch is then stored one by one. Nothing else
        is tried twice: where a connection breaks, nobody knows whether the batch was committed.
        """
        try:
            if self._database is None or not self._database.is_open:
                self._database = await connect(self._dsn, name=NAME, wait_s=WAIT_S)
            return await converse(self._database, storing(submissions, self._ring))
        except StoreError as error:
            if len(submissions) == 1 or not is_about_a_reading(error):
                return [error] * len(submissions)
        return [outcome for submission in submissions for outcome in await self.store_batch([submission])]

    def close(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()


class ReadingStore:
    """Stores single readings and answers questions. Safe to use from several threads; they take turns.

    Args:
        dsn: libpq connection string or URL.
        ring: the keys that devices sign with; None: only questions are asked.
    """

    def __init__(self, dsn: str, ring: KeyRing | None = None) -> None:
        self._dsn, self._ring = dsn, ring
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def store(self, submission: Submission) -> Outcome:
        """Commit one reading.

        Raises:
            StoreError: PostgreSQL did not commit it, or its word was lost on the way back, which the same key at
                the next attempt tells apart.
        """
        assert self._ring is not None
        with self._open() as connection:
            [outcome] = converse_blocking(connection, storing([submission], self._ring))
            return outcome

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
        with self._open() as connection, connection.cursor() as cursor:
            cursor.execute(queries()[name], arguments)
            return cursor.fetchall() if cursor.description is not None else []

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    @contextmanager
    def _open(self) -> Generator[Connection]:
        with self._lock:
            if self._connection is None:
                self._connection = connect_blocking(self._dsn, name=NAME, wait_s=WAIT_S)
            try:
                yield self._connection
            except psycopg2.Error as error:
                self._drop()
                raise StoreError(f"PostgreSQL failed: {reason(error)}") from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
