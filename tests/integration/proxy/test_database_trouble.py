"""PostgreSQL that hangs, is gone, refuses or dies in the middle: an answer in time, never 200 without a commit."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg2
import pytest
import requests

from plantkeeper_hil.stack.clients import DatabaseClient
from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_proxy.authenticity import LegacyClaim
from plantkeeper_proxy.batch import Batcher, Result
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Stored, Submission
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.store import BatchStore, ReadingStore
from plantkeeper_proxy.vault import Vault

pytestmark = pytest.mark.integration

Execute = Callable[[str], list[tuple[object, ...]]]
T = TypeVar("T")
IN_TIME_S = 6.0


def reading(device_id: int, light: float = 5.0) -> Submission:
    return Submission(Reading(device_id, None, None, light), LegacyClaim(device_id))


def ring() -> KeyRing:
    return KeyRing(Vault.without_keys(), monotonic_s=time.monotonic)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(30):
            return await scenario

    return asyncio.run(bounded())


@contextmanager
def paused(server: Postgres) -> Iterator[None]:
    """The server and all of its processes, stopped where they are."""
    assert server._service is not None
    parent = psutil.Process(server._service.pid)
    stopped = [parent, *parent.children(recursive=True)]
    try:
        for process in stopped:
            process.suspend()
        yield
    finally:
        for process in reversed(stopped):
            process.resume()


@pytest.fixture
def own_server(short_folder: Path) -> Iterator[Postgres]:
    server = Postgres(short_folder / "pg", log_dir=short_folder)
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_while_postgresql_hangs_everybody_is_answered_in_time(
    own_server: Postgres, start_gateway: Callable[[str], str], plantkeeper_db: Callable[..., object]
) -> None:
    dsn = own_server.create_database()
    plantkeeper_db("migrate", dsn=dsn)
    gateway = start_gateway(dsn)
    answers: list[tuple[str, int, str | None, float]] = []

    def ask(method: str, path: str, light: int = 0) -> None:
        begun_s = time.monotonic()
        json = {"id": 7, "light": light} if method == "POST" else None
        answer = requests.request(method, gateway + path, json=json, timeout=30)
        answers.append((path, answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - begun_s))

    ask("POST", "/sensor-data", 1)
    ask("POST", "/sensor%2Ddata", 2)  # by way of Flask
    assert [status for _, status, _, _ in answers] == [200, 200]
    answers.clear()
    with paused(own_server):
        threads = []
        for light in range(3, 9):  # one after the other, so that some come while others are given up
            threads.append(threading.Thread(target=ask, args=("POST", "/sensor-data", light)))
            threads[-1].start()
            threads.append(threading.Thread(target=ask, args=("POST", "/sensor%2Ddata", light + 100)))
            threads[-1].start()
            threads[-1].join(timeout=0.7)
        threads.append(threading.Thread(target=ask, args=("GET", "/readyz")))
        threads[-1].start()
        for thread in threads:
            thread.join(timeout=30)
    assert len(answers) == 13
    for path, status, retry_after, took_s in answers:
        assert status == 503, path
        assert retry_after == "5" or path == "/readyz"
        assert took_s < IN_TIME_S, answers
    answers.clear()
    ask("POST", "/sensor-data", 200)
    ask("POST", "/sensor%2Ddata", 201)
    ask("GET", "/readyz")
    assert [status for _, status, _, _ in answers] == [200, 200, 200]
    client = DatabaseClient(dsn)
    lights = [row["light"] for row in client.readings()]
    client.close()
    assert {1.0, 2.0, 200.0, 201.0} <= set(lights)
    assert len(lights) == len(set(lights))  # what was sent when it hung may have been stored, and then once


def test_a_server_that_is_not_there_is_a_503_at_once(start_gateway: Callable[[str], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway = start_gateway(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    begun_s = time.monotonic()
    for path in ("/sensor-data", "/sensor%2Ddata"):
        answer = requests.post(gateway + path, json={"id": 7}, timeout=10)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json() == {"error": "the reading was not stored; send it again"}
    assert time.monotonic() - begun_s < IN_TIME_S


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dsn = f"postgresql://postgres@127.0.0.1:{mute.getsockname()[1]}/postgres"
        begun_s = time.monotonic()

        async def scenario() -> list[Result]:
            told: list[Result] = []
            store = BatchStore(dsn, ring(), wait_s=0.3)
            batcher = Batcher(store.store_batch, patience_s=0.3)
            batcher.submit(reading(1), told.append)
            await batcher.close()
            return told

        [outcome] = run(scenario())
        assert isinstance(outcome, StoreError)
        store = ReadingStore(dsn, ring(), wait_s=0.3)
        with pytest.raises(StoreError, match="cannot connect to PostgreSQL: no answer in time"):
            store.store(reading(1))
        assert time.monotonic() - begun_s < IN_TIME_S


def test_a_reading_that_postgresql_refuses_spoils_no_other(database_dsn: str, execute: Execute) -> None:
    execute("ALTER TABLE outbox ADD CHECK (device_id <> 13)")

    async def scenario() -> list[Result]:
        store = BatchStore(database_dsn, ring())
        outcomes = await store.store_batch([reading(1), reading(13), reading(2), reading(13), reading(1)])
        store.close()
        return list(outcomes)

    outcomes = run(scenario())
    assert [outcome if isinstance(outcome, Stored) else "refused" for outcome in outcomes] == [
        Stored.NEW,
        "refused",
        Stored.NEW,
        "refused",
        Stored.NEW,
    ]
    assert execute("SELECT device_id FROM reading ORDER BY id") == [(1,), (2,), (1,)]
    assert execute("SELECT device_id FROM outbox ORDER BY reading_id") == [(1,), (2,), (1,)]


LOCK = "SELECT pg_advisory_lock(20825, 1)"  # what queries.sql takes before it stores


@pytest.mark.parametrize("end", ["time is up", "the connection is cut"])
def test_what_is_given_up_is_not_stored_and_the_next_is(database_dsn: str, execute: Execute, end: str) -> None:
    async def scenario() -> list[Result]:
        loop = asyncio.get_running_loop()
        store = BatchStore(database_dsn, ring(), wait_s=1.0 if end == "time is up" else 20.0)
        assert list(await store.store_batch([reading(1)])) == [Stored.NEW]
        holder = psycopg2.connect(database_dsn)
        with holder.cursor() as cursor:
            cursor.execute(LOCK)
        storing = store.store_batch([reading(2), reading(3)])
        if end == "the connection is cut":
            kill = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while not await loop.run_in_executor(None, execute, kill):
                await asyncio.sleep(0.02)
        outcomes = list(await storing)
        holder.close()
        assert list(await store.store_batch([reading(4)])) == [Stored.NEW]
        store.close()
        return outcomes

    outcomes = run(scenario())
    assert [type(outcome) for outcome in outcomes] == [StoreError, StoreError]
    assert execute("SELECT device_id FROM reading ORDER BY id") == [(1,), (4,)]


def test_threads_wait_for_their_turn_no_longer_than_they_may(database_dsn: str, execute: Execute) -> None:
    store = ReadingStore(database_dsn, ring(), wait_s=1.0)
    store.check()
    holder = psycopg2.connect(database_dsn)
    with holder.cursor() as cursor:
        cursor.execute(LOCK)
    took_s: list[float] = []

    def try_it() -> None:
        begun_s = time.monotonic()
        with pytest.raises(StoreError):
            store.store(reading(1))
        took_s.append(time.monotonic() - begun_s)

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holder.close()
    assert len(took_s) == 4
    assert max(took_s) < 3.0
    assert store.store(reading(2)) is Stored.NEW
    store.close()
    assert execute("SELECT device_id FROM reading") == [(2,)]


def test_a_200_means_on_disk_whatever_the_database_is_set_to(database_dsn: str, execute: Execute) -> None:
    [(name,)] = execute("SELECT current_database()")
    execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert execute("SHOW synchronous_commit") == [("off",)]

    async def scenario() -> object:
        store = BatchStore(database_dsn, ring())
        await store.store_batch([reading(1)])
        assert store._database is not None
        rows = await store._database.run("SHOW synchronous_commit")
        store.close()
        return rows

    assert run(scenario()) == [("on",)]
    threads = ReadingStore(database_dsn, ring())
    threads.store(reading(1))
    assert threads._session is not None
    assert threads._session.run("SHOW synchronous_commit", None) == [("on",)]
    threads.close()


def test_a_server_that_became_a_standby_is_left_for_the_next_connection(database_dsn: str, execute: Execute) -> None:
    [(name,)] = execute("SELECT current_database()")
    execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    async def scenario() -> list[Result]:
        store = BatchStore(database_dsn, ring())
        outcomes = list(await store.store_batch([reading(1)]))
        admin = psycopg2.connect(database_dsn, options="-c default_transaction_read_only=off")
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        admin.close()
        outcomes += await store.store_batch([reading(2)])
        store.close()
        return outcomes

    refused, stored = run(scenario())
    assert "read-only" in str(refused)
    assert stored is Stored.NEW
