"""Connections that never wait longer than they may, and hear what they should."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_proxy.database import Database, connect
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.session import Session

pytestmark = pytest.mark.integration


@pytest.fixture
def paused(short_folder: Path) -> Iterator[tuple[str, Callable[[signal.Signals], None]]]:
    """A server of the test's own, and what sends a signal to all its processes."""
    server = Postgres(short_folder / "pg", log_dir=short_folder)
    server.start()
    dsn = server.create_database()

    def send(number: signal.Signals) -> None:
        leader = psutil.Process(server.pid)
        for process in [leader, *leader.children(recursive=True)]:
            process.send_signal(number)

    yield dsn, send
    send(signal.SIGCONT)
    server.stop()


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_in_time(paused: tuple[str, Callable[[signal.Signals], None]]) -> None:
    dsn, send = paused
    blocking = Session(dsn, name="test", options="")
    blocking.connect(time.monotonic() + 5)

    async def run() -> None:
        database = await connect(dsn, name="test", wait_s=0.3)
        assert await database.run("SELECT 1") == [(1,)]
        send(signal.SIGSTOP)
        with pytest.raises(StoreError, match=r"did not answer within 0\.3 s"):
            await database.run("SELECT 2")
        assert not database.is_open

    begun_s = time.monotonic()
    asyncio.run(run())
    blocking.due_s = time.monotonic() + 0.3
    with pytest.raises(StoreError, match="did not answer in time"):
        blocking.run("SELECT 3")
    assert time.monotonic() - begun_s < 5


def test_a_failed_statement_says_why_and_leaves_the_connection_of_use(database_dsn: str) -> None:
    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=5)
        with pytest.raises(StoreError, match="division by zero") as error:
            await database.run("SELECT 1/0")
        assert isinstance(error.value.__cause__, psycopg2.DataError)
        assert database.is_open
        for value in ("x'", None, "%s", "; SELECT 1/0"):
            assert await database.run("SELECT %(a)s::text", {"a": value}) == [(value,)]
        assert await database.run("SELECT %(a)s::float8[]", {"a": [None, 1.5]}) == [([None, 1.5],)]
        with pytest.raises(StoreError, match="division by zero"):
            await database.run("SELECT 1/%(a)s::integer", {"a": 0})
        assert await database.run("SELECT 1/%(a)s::integer", {"a": 1}) == [(1,)]
        assert await database.run("SELECT %(a)s::integer; SELECT 2", {"a": 1}) == [(2,)]
        database.close()
        database.close()

    asyncio.run(run())


def test_statements_of_one_call_are_one_transaction(database_dsn: str) -> None:
    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=5)
        with pytest.raises(StoreError):
            await database.run("INSERT INTO device (id) VALUES (5); SELECT 1/0")
        assert await database.run("SELECT count(*) FROM device") == [(0,)]
        database.close()

    asyncio.run(run())


def test_calls_take_turns(database_dsn: str) -> None:
    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=5)
        rows = await asyncio.gather(
            *(database.run("SELECT %(n)s::integer, pg_sleep(0.001)", {"n": n}) for n in range(20))
        )
        assert [row[0][0] for row in rows] == list(range(20))
        database.close()

    asyncio.run(run())


def test_what_cannot_be_sent_is_told_at_once(database_dsn: str) -> None:
    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=60)
        ended: asyncio.Queue[object] = asyncio.Queue()
        async with asyncio.timeout(10):
            assert await database.run("CREATE TABLE late (number integer); SELECT 1") == [(1,)]
            insert = "INSERT INTO late VALUES (%(n)s::integer) RETURNING number"
            database.start(insert, {"n": 1}, ended.put_nowait, due_s=asyncio.get_running_loop().time() - 0.001)
            assert ended.empty()  # never from within
            assert "too late to ask" in str(await ended.get())
            database.start(insert, {"n": 2}, ended.put_nowait)
            assert await ended.get() == [(2,)]
            assert await database.run("SELECT number FROM late") == [(2,)]
            with pytest.raises(StoreError, match="NUL"):
                await database.run("SELECT %(a)s::text", {"a": "a\0b"})
            assert not database.is_open
            with pytest.raises(StoreError, match="closed"):
                await database.run("SELECT 1")

    asyncio.run(run())


def test_who_no_longer_waits_for_a_turn_harms_nobody(database_dsn: str) -> None:
    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=60)
        async with asyncio.timeout(10):
            first = asyncio.create_task(database.run("SELECT 1, pg_sleep(0.05)"))
            second = asyncio.create_task(database.run("SELECT 2"))
            third = asyncio.create_task(database.run("SELECT 3"))
            await asyncio.sleep(0)
            second.cancel()
            assert (await first)[0][0] == 1
            assert await third == [(3,)]
            running = asyncio.create_task(database.run("SELECT 4, pg_sleep(60)"))
            waiting = asyncio.create_task(database.run("SELECT 5"))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(StoreError, match="closed"):
                await waiting
            assert not database.is_open

    asyncio.run(run())


def test_news_and_the_end_are_told_without_asking(database_dsn: str) -> None:
    async def run() -> None:
        heard: list[str] = []
        told, lost = asyncio.Event(), asyncio.Event()

        def notified(payload: str) -> None:
            heard.append(payload)
            told.set()

        database = await connect(database_dsn, name="test", wait_s=5, notified=notified, lost=lost.set)
        other: Database = await connect(database_dsn, name="other", wait_s=5)
        [(pid,)] = await database.run("LISTEN outbox; SELECT pg_backend_pid()")
        async with asyncio.timeout(10):
            await other.run("SELECT pg_notify('outbox', '7,8')")
            await told.wait()
            assert heard == ["7,8"]
            await other.run("SELECT pg_notify('outbox', '9')")
            await database.run("SELECT 1")  # news that comes with an answer is told as well
            while heard != ["7,8", "9"]:
                await asyncio.sleep(0.005)
            await other.run("SELECT pg_terminate_backend(%(pid)s::integer)", {"pid": pid})
            await lost.wait()
        assert not database.is_open
        other.close()

    asyncio.run(run())


@pytest.mark.parametrize("dsn", ["nonsense", "host=127.0.0.1 port=1"])
def test_a_server_that_is_not_there_is_named(dsn: str) -> None:
    with pytest.raises(StoreError, match="cannot connect to PostgreSQL"):
        asyncio.run(connect(dsn, name="test", wait_s=1))
    with pytest.raises(StoreError, match="cannot connect to PostgreSQL"):
        Session(dsn, name="test", options="").connect(time.monotonic() + 1)


TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=5)
WHOLE = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=5)
FLOATS = st.lists(st.none() | st.floats(allow_nan=False), max_size=5)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, WHOLE, FLOATS), min_size=1, max_size=20))
def test_lists_arrive_as_they_are(
    database_dsn: str, rows_given: list[tuple[list[str], list[int], list[float]]]
) -> None:
    """Whatever is in them: quotes, backslashes, braces, commas, NULL as a word, nothing at all."""

    async def run() -> None:
        database = await connect(database_dsn, name="test", wait_s=5)
        for texts, whole, floats in rows_given:
            query = "SELECT %(texts)s::text[], %(whole)s::bigint[], %(floats)s::float8[]"
            rows = await database.run(query, {"texts": texts, "whole": whole, "floats": floats})
            assert rows == [(texts, whole, floats)]
        database.close()

    asyncio.run(run())
