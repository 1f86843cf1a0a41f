"""Batches in a real PostgreSQL: judged, stored once, in order, told apart; signed ones only above what came before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import REPLAYED, LegacyClaim, Policy, Refused, examine
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.database import connect
from plantkeeper_proxy.device_ranges import parse_ranges
from plantkeeper_proxy.dialogue import converse_blocking
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.message import Reading, parse_reading
from plantkeeper_proxy.news import News
from plantkeeper_proxy.signature import sign
from plantkeeper_proxy.store import BatchStore, storing
from plantkeeper_proxy.vault import Vault

pytestmark = pytest.mark.integration
Execute = Callable[[str], list[tuple[object, ...]]]
ALL = Policy(parse_ranges("x", "1-2147483647"))


def legacy(device_id: int, key: str | None = None, light: float | None = 1.0) -> Submission:
    return Submission(Reading(device_id, None, None, light, key), LegacyClaim(device_id))


def signed(device_id: int, key: str, secret: bytes, light: int = 1, number: int = 1) -> Submission:
    body = b'{"id":%d,"light":%d}' % (device_id, light)
    headers = {"idempotency-key": f'"{key}"'}
    headers |= sign("POST", "/sensor-data", headers, body, key_id=f"{device_id}.{number}", secret=secret)
    reading = parse_reading(body, headers["idempotency-key"])
    claim = examine(Policy(), reading, method="POST", path="/sensor-data", headers=headers, body=body)
    assert not isinstance(claim, Refused)
    return Submission(reading, claim)


class Batches:
    """Stores batches as the gateway does, over one connection."""

    def __init__(self, dsn: str) -> None:
        self.vault = Vault([bytes(32)])
        self.ring = KeyRing(self.vault, monotonic_s=lambda: 0.0)
        self.news = News(lambda: 0.0)
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True

    def __call__(self, *submissions: Submission) -> list[Outcome]:
        return converse_blocking(self.run, storing(submissions, self.ring, self.news))

    def run(self, query: str, arguments: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []

    def add_key(self, device_id: int) -> bytes:
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN")
        issued = device_keys.add(self.connection, self.vault, device_id, random=lambda size: bytes([device_id]) * size)
        with self.connection.cursor() as cursor:
            cursor.execute("COMMIT")
        return issued.secret


@pytest.fixture
def batches(database_dsn: str) -> Batches:
    return Batches(database_dsn)


def stored(execute: Execute) -> list[tuple[Any, ...]]:
    """What is stored; the outbox must hold the same."""
    readings = execute("SELECT device_id, idempotency_key, light FROM reading ORDER BY id")
    assert execute("SELECT device_id, idempotency_key, light FROM outbox ORDER BY reading_id") == readings
    return readings


def test_a_batch_is_stored_in_its_order_and_each_is_told_its_own(batches: Batches, execute: Execute) -> None:
    outcomes = batches(
        legacy(7, "a"), legacy(8, "a"), legacy(7, None, 5), legacy(7, "a"), legacy(7, "a", 9), legacy(7, None, 5)
    )
    assert outcomes == [
        Stored.NEW, Stored.NEW, Stored.NEW, Stored.REPEATED, Stored.KEY_REUSED, Stored.NEW,
    ]  # fmt: skip
    assert stored(execute) == [(7, "a", 1.0), (8, "a", 1.0), (7, None, 5.0), (7, None, 5.0)]
    assert batches(legacy(7, "a"), legacy(8, "a", 2)) == [Stored.REPEATED, Stored.KEY_REUSED]
    assert len(stored(execute)) == 4


def test_signed_readings_only_count_up(batches: Batches, execute: Execute) -> None:
    secret = batches.add_key(7)
    first = batches(signed(7, "3-42", secret), signed(7, "3-41", secret), signed(7, "3-43", secret))
    assert first == [Stored.NEW, REPLAYED, Stored.NEW]
    again = batches(signed(7, "3-42", secret), signed(7, "3-42", secret, light=2), signed(7, "2-99", secret))
    assert again == [Stored.REPEATED, Stored.KEY_REUSED, REPLAYED]
    assert batches(signed(7, "4-1", secret)) == [Stored.NEW]
    assert [key for _, key, _ in stored(execute)] == ["3-42", "3-43", "4-1"]
    assert execute("SELECT * FROM device_sequence") == [(7, 4, 1)]


def test_who_has_signed_must_sign_and_a_wrong_key_stores_nothing(batches: Batches, execute: Execute) -> None:
    secret = batches.add_key(7)
    assert batches(legacy(7), signed(7, "1-1", bytes(32))) == [
        Stored.NEW,
        Refused(401, "bad_signature", "the signature is not valid"),
    ]
    [accepted, refused, other] = batches(signed(7, "1-1", secret), legacy(7), legacy(8))
    assert (accepted, other) == (Stored.NEW, Stored.NEW)
    assert isinstance(refused, Refused)
    assert refused.reason == "must_sign"
    assert [row[:2] for row in stored(execute)] == [(7, None), (7, "1-1"), (8, None)]
    assert execute("SELECT device_id, first_used_at IS NOT NULL FROM device_key") == [(7, True)]


def test_a_revoked_key_is_of_no_use_from_the_next_batch_on(batches: Batches, execute: Execute) -> None:
    secret = batches.add_key(7)
    assert batches(signed(7, "1-1", secret)) == [Stored.NEW]
    assert batches(signed(7, "1-2", secret)) == [Stored.NEW]  # judged by what is kept in memory
    device_keys.revoke(batches.connection, 7, None)
    [refused] = batches(signed(7, "1-3", secret))
    assert isinstance(refused, Refused)
    assert refused.reason == "bad_signature"
    assert len(stored(execute)) == 2


def test_who_has_signed_elsewhere_must_sign_here_too(batches: Batches, execute: Execute, database_dsn: str) -> None:
    """Nothing is looked up for readings without keys, but whether keys have changed."""
    secret = batches.add_key(7)
    assert batches(legacy(7), legacy(8)) == [Stored.NEW, Stored.NEW]
    assert Batches(database_dsn)(signed(7, "1-1", secret)) == [Stored.NEW]
    [refused, other] = batches(legacy(7), legacy(8))
    assert isinstance(refused, Refused)
    assert refused.reason == "must_sign"
    assert other is Stored.NEW
    assert [row[:2] for row in stored(execute)] == [(7, None), (8, None), (7, "1-1"), (8, None)]


def test_forwarders_hear_of_every_device_the_last_one_too(database_dsn: str, execute: Execute) -> None:
    """The first news go with their batch, the others by themselves shortly after, or at the end if that is first."""

    async def run(spacing_s: float, *, to_the_end: bool) -> list[set[str]]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listener = await connect(database_dsn, name="test", wait_s=5, notified=heard.put_nowait)
        await listener.run("LISTEN outbox")
        ring = KeyRing(Vault.without_keys(), monotonic_s=lambda: 0.0)
        store = BatchStore(database_dsn, ring, news_spacing_s=spacing_s)
        async with asyncio.timeout(10):
            assert await store.store_batch([legacy(1), legacy(2)]) == [Stored.NEW, Stored.NEW]
            first = await heard.get()
            assert await store.store_batch([legacy(3), legacy(4, "a")]) == [Stored.NEW, Stored.NEW]
            assert await store.store_batch([legacy(3)]) == [Stored.NEW]
            if to_the_end:
                assert heard.empty()
                await store.end()
            second = await heard.get()
        store.close()
        listener.close()
        return [set(first.split(",")), set(second.split(","))]

    assert asyncio.run(run(0.3, to_the_end=False)) == [{""}, {"3", "4"}]
    execute("DELETE FROM reading_key")
    assert asyncio.run(run(3600.0, to_the_end=True)) == [{""}, {"3", "4"}]


def test_news_that_could_not_be_told_are_told_over_the_next_connection(
    database_dsn: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plantkeeper_proxy.teller.AGAIN_S", 0.01)

    async def run() -> list[str]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listener = await connect(database_dsn, name="test", wait_s=5, notified=heard.put_nowait)
        await listener.run("LISTEN outbox")
        ring = KeyRing(Vault.without_keys(), monotonic_s=lambda: 0.0)
        store = BatchStore(database_dsn, ring, news_spacing_s=0.2)
        async with asyncio.timeout(10):
            assert await store.store_batch([legacy(1)]) == [Stored.NEW]
            assert await store.store_batch([legacy(2)]) == [Stored.NEW]
            execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'plantkeeper-gateway'"
            )  # and nobody posts any more
            payloads = [await heard.get(), await heard.get()]
            await store.end()
        listener.close()
        return payloads

    assert asyncio.run(run()) == ["", "2"]


def test_a_bug_met_by_one_reading_leaves_nobody_without_an_answer(
    database_dsn: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[object]:
        store = BatchStore(database_dsn, KeyRing(Vault.without_keys(), monotonic_s=lambda: 0.0))
        batcher = Batcher(store.store_batch)
        told: list[object] = []
        assert await store.store_batch([legacy(9)]) == [Stored.NEW]
        for submission in (legacy(1), legacy(2, light=5000.0), legacy(3)):
            batcher.submit(submission, told.append)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        monkeypatch.setattr(store, "_store", broken)
        async with asyncio.timeout(10):
            await batcher.close()
            monkeypatch.undo()
            batcher.submit(legacy(4), told.append)
            await batcher.close()
        await store.end()
        return told

    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("boom")

    *failed, last = asyncio.run(run())
    assert ["boom" in str(outcome) for outcome in failed] == [True] * 3
    assert last is Stored.NEW


def test_one_reading_that_postgresql_refuses_spoils_no_other(database_dsn: str, execute: Execute) -> None:
    """No such reading passes the parser; this is the net under it."""

    async def run() -> Sequence[Outcome | StoreError]:
        store = BatchStore(database_dsn, KeyRing(Vault.without_keys(), monotonic_s=lambda: 0.0))
        try:
            return await store.store_batch([legacy(1), legacy(2, light=5000.0), legacy(3)])
        finally:
            store.close()

    first, second, third = asyncio.run(run())
    assert (first, third) == (Stored.NEW, Stored.NEW)
    assert isinstance(second, StoreError)
    assert [device_id for device_id, _, _ in stored(execute)] == [1, 3]


keys = st.none() | st.tuples(st.integers(1, 2), st.integers(1, 3)).map(lambda pair: f"{pair[0]}-{pair[1]}")
rows = st.tuples(st.integers(1, 3), keys, st.integers(1, 2))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(st.lists(st.lists(rows, min_size=1, max_size=6), max_size=4))
def test_batches_do_what_a_loop_over_a_dictionary_would(
    batches: Batches, execute: Execute, history: list[list[tuple[int, str | None, int]]]
) -> None:
    """Devices 1 and 2 sign where they send a key, device 3 never does."""
    execute("DELETE FROM reading; DELETE FROM outbox; DELETE FROM reading_key; DELETE FROM device_sequence")
    execute("DELETE FROM device_key")
    batches.ring.forget()
    secrets = {device_id: batches.add_key(device_id) for device_id in (1, 2)}
    known: dict[tuple[int, str], int] = {}
    reached: dict[int, tuple[int, ...]] = {}
    signers: set[int] = set()
    expected_rows: list[tuple[int, str | None, float]] = []
    for batch in history:
        submissions: list[Submission] = []
        expected: list[Outcome | str] = []
        for device_id, key, light in batch:
            signs = key is not None and device_id in secrets
            submissions.append(
                signed(device_id, key, secrets[device_id], light) if signs and key else legacy(device_id, key, light)
            )
            count = tuple(map(int, key.split("-"))) if key else ()
            if signs:
                signers.add(device_id)
            elif device_id in signers:
                expected.append("must_sign")
                continue
            if key is not None and (device_id, key) in known:
                expected.append(Stored.REPEATED if known[device_id, key] == light else Stored.KEY_REUSED)
            elif signs and count <= reached.get(device_id, ()):
                expected.append(REPLAYED)
            else:
                expected.append(Stored.NEW)
                expected_rows.append((device_id, key, float(light)))
                if key is not None:
                    known[device_id, key] = light
                if signs:
                    reached[device_id] = count
        outcomes = batches(*submissions)
        assert [
            outcome.reason if isinstance(outcome, Refused) and outcome != REPLAYED else outcome for outcome in outcomes
        ] == expected
    assert stored(execute) == expected_rows
