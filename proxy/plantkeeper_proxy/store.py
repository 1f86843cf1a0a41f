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
from functools import partial
from typing import Any

import psycopg2

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import REPLAYED, Refused, Signed, Verdict, devices_of, judge
from plantkeeper_proxy.database import Database, Row, connect, server_options
from plantkeeper_proxy.dialogue import Dialogue, converse, converse_blocking
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.news import SPACING_S, News
from plantkeeper_proxy.queries import queries
from plantkeeper_proxy.schema import judge_failure, judge_revision
from plantkeeper_proxy.session import Session
from plantkeeper_proxy.teller import Teller

WAIT_S = 5.0
# of which a statement may take so much, by our clock; the server gives it up earlier, so that it is known what became
# of it. Whoever comes too late for that is not sent at all.
STATEMENT_SHARE = 0.75
NAME = "plantkeeper-gateway"
JUDGED_AT_MOST = 5  # times, while an operator changes keys
Batch = asyncio.Future[Sequence[Outcome | StoreError]]


def storing(submissions: Sequence[Submission], ring: KeyRing, news: News) -> Dialogue[list[Outcome]]:
    """Judge a batch, and commit what is accepted of it in one transaction, in order.

    Args:
        news: takes note of the devices, and is told to forwarders with the batch where it is time to.

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
            name, arguments = _statement(
                [submissions[position] for position in accepted], [verdicts[p] for p in accepted]
            )
            news.owe(arguments["device_id"])
            telling = news.telling()
            arguments |= {"version": ring.version, "news": None if telling is None else telling.payload}
            [(new, version, _)] = yield name, arguments
            if telling is not None:
                news.told(telling)
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


def _statement(submissions: Sequence[Submission], verdicts: Sequence[Verdict]) -> tuple[str, dict[str, Any]]:
    """What stores them, and with which columns: the bare statement where there are no keys and no signatures."""
    readings = [submission.reading for submission in submissions]
    columns: dict[str, Any] = {
        "device_id": [reading.device_id for reading in readings],
        "temperature": [reading.temperature for reading in readings],
        "humidity": [reading.humidity for reading in readings],
        "light": [reading.light for reading in readings],
        "age_s": [reading.age_s for reading in readings],
    }
    keys = [reading.key for reading in readings]
    counts = [(verdict.boot, verdict.sequence) if isinstance(verdict, Signed) else (None, None) for verdict in verdicts]
    if all(key is None for key in keys) and all(boot is None for boot, _ in counts):
        return "store_bare", columns
    boots, sequences = map(list, zip(*counts, strict=True))
    return "store", {**columns, "key": keys, "boot": boots, "sequence": sequences}


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
        wait_s: longest time for a batch, connecting to PostgreSQL included.
        news_spacing_s: from one notification of forwarders to the next, unless there is much to tell.
    """

    def __init__(self, dsn: str, ring: KeyRing, *, wait_s: float = WAIT_S, news_spacing_s: float = SPACING_S) -> None:
        self._dsn, self._ring, self._wait_s = dsn, ring, wait_s
        self._database: Database | None = None
        self._news = News(asyncio.get_running_loop().time, spacing_s=news_spacing_s)
        self._teller = Teller(self._news, lambda: self._connected(self._due_s()))
        self._connecting = asyncio.Lock()

    def store_batch(self, submissions: Sequence[Submission]) -> Batch:
        """Commit readings within 5 s; says for each what became of it, and raises nothing.

        A reading that PostgreSQL refuses by itself spoils no other: the batch is then stored one by one. Nothing else
        is tried twice: where a connection breaks, nobody knows whether the batch was committed.
        """
        return self._store(submissions, self._due_s())

    async def end(self) -> None:
        """Tell forwarders what is left to be told, and close the connection."""
        await self._teller.end(self._database)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()

    def _due_s(self) -> float:
        return asyncio.get_running_loop().time() + self._wait_s

    def _store(self, submissions: Sequence[Submission], due_s: float) -> Batch:
        """By callbacks where there is a connection: a task and its timeouts would cost a lone reading a fifth more."""
        if self._database is None or not self._database.is_open:
            self._teller.stand_aside()
            return asyncio.get_running_loop().create_task(self._connect_and_store(submissions, due_s))
        stored: Batch = asyncio.get_running_loop().create_future()

        def done(result: list[Outcome] | Exception) -> None:
            if isinstance(result, StoreError):
                self._failed(submissions, result, stored, due_s)
            else:
                _settle(stored, result)
            self._teller.plan(failed=isinstance(result, Exception))

        converse(self._database, storing(submissions, self._ring, self._news), done, due_s=due_s)
        return stored

    def _failed(self, submissions: Sequence[Submission], error: StoreError, stored: Batch, due_s: float) -> None:
        if len(submissions) > 1 and is_about_a_reading(error):
            one_by_one = asyncio.get_running_loop().create_task(self._store_one_by_one(submissions, due_s))
            one_by_one.add_done_callback(partial(_pass_on, stored))
            return
        if isinstance(error.__cause__, psycopg2.errors.ReadOnlySqlTransaction):
            self.close()  # a primary that became a standby: the next connection may find the new one
        _settle(stored, [error] * len(submissions))

    async def _store_one_by_one(self, submissions: Sequence[Submission], due_s: float) -> list[Outcome | StoreError]:
        return [outcome for submission in submissions for outcome in await self._store([submission], due_s)]

    async def _connect_and_store(
        self, submissions: Sequence[Submission], due_s: float
    ) -> Sequence[Outcome | StoreError]:
        try:
            await self._connected(due_s)
        except StoreError as error:
            return [error] * len(submissions)
        return await self._store(submissions, due_s)

    async def _connected(self, due_s: float) -> Database:
        """The connection, or a new one.

        Raises:
            StoreError: there is none to be had in time.
        """
        try:
            async with asyncio.timeout_at(due_s), self._connecting:
                if self._database is None or not self._database.is_open:
                    self._database = await self._connect(due_s)
                return self._database
        except TimeoutError as error:
            raise StoreError(f"PostgreSQL did not answer within {self._wait_s:g} s") from error

    async def _connect(self, due_s: float) -> Database:
        database = await connect(self._dsn, name=NAME, wait_s=self._wait_s * STATEMENT_SHARE)
        try:
            await database.run(queries()["make_durable"])
            if asyncio.get_running_loop().time() > due_s - self._wait_s * STATEMENT_SHARE:
                raise StoreError("PostgreSQL took too long to connect; nothing was sent to it")
        except BaseException:
            database.close()
            raise
        return database


def _settle(stored: Batch, result: Sequence[Outcome | StoreError] | BaseException) -> None:
    if stored.done():  # cancelled: the gateway ends
        return
    if isinstance(result, BaseException):
        stored.set_exception(result)
    else:
        stored.set_result(result)


def _pass_on(stored: Batch, done: asyncio.Future[list[Outcome | StoreError]]) -> None:
    if not done.cancelled():  # the gateway ends
        _settle(stored, done.exception() or done.result())


class ReadingStore:
    """Stores single readings and answers questions. Safe to use from several threads; they take turns.

    Args:
        dsn: libpq connection string or URL.
        ring: the keys that devices sign with; None: only questions are asked.
        wait_s: longest time for a call, waiting for the turn and connecting included.
    """

    def __init__(self, dsn: str, ring: KeyRing | None = None, *, wait_s: float = WAIT_S) -> None:
        self._dsn, self._ring, self._wait_s = dsn, ring, wait_s
        self._session: Session | None = None
        self._news = News(time.monotonic, spacing_s=0.0)
        self._lock = threading.Lock()

    def store(self, submission: Submission) -> Outcome:
        """Commit one reading.

        Raises:
            StoreError: PostgreSQL did not commit it, or its word was lost on the way back, which the same key at
                the next attempt tells apart.
        """
        assert self._ring is not None
        with self._turn() as session:
            [outcome] = converse_blocking(session.run, storing([submission], self._ring, self._news))
            return outcome

    def check(self) -> str:
        """Make sure that the database answers and has a schema that this gateway works on; returns its revision.

        Raises:
            SchemaError: it has another.
            StoreError: it does not answer; says why.
        """
        try:
            rows = self.query("revision")
        except StoreError as error:
            judge_failure(error)
        else:
            return judge_revision(rows)

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query of queries.sql.

        Raises:
            StoreError: PostgreSQL failed, or did not answer in time.
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
            if self._session is not None and self._session.is_dead:
                self._drop()
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
