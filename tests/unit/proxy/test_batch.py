"""Batches: every reading is answered once, in order, whatever the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.authenticity import LegacyClaim
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.errors import OverloadedError, StoreError
from plantkeeper_proxy.ingest import Outcome as Said
from plantkeeper_proxy.ingest import Stored, Submission
from plantkeeper_proxy.message import Reading


def reading(number: int) -> Submission:
    return Submission(Reading(number, None, None, None), LegacyClaim(number))


Outcome = Said | StoreError


class Store:
    """Takes a batch when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go = asyncio.Semaphore(0)

    async def store_batch(self, readings: Sequence[Submission]) -> Sequence[Outcome]:
        self.batches.append([one.reading.device_id for one in readings])
        await self.may_go.acquire()
        return [Stored.NEW] * len(readings)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_every_reading_is_answered_once_and_in_order(arrivals: list[int], batch_limit: int) -> None:
    async def run() -> None:
        store = Store()
        batcher = Batcher(store.store_batch, batch_limit=batch_limit, spacing_s=0)
        answered: list[int] = []
        number = 0
        for count in arrivals:
            for _ in range(count):
                number += 1
                batcher.submit(reading(number), lambda outcome, n=number: answered.append(n))  # type: ignore[misc]
            store.may_go.release()
            for _ in range(4):
                await asyncio.sleep(0)
        for _ in range(number):
            store.may_go.release()
        await batcher.close()
        assert answered == list(range(1, number + 1))
        assert [n for batch in store.batches for n in batch] == answered
        assert all(len(batch) <= batch_limit for batch in store.batches)

    asyncio.run(run())


def test_what_comes_during_a_commit_shares_the_next() -> None:
    async def run() -> None:
        store = Store()
        batcher = Batcher(store.store_batch, spacing_s=0)
        for number in range(1, 6):
            batcher.submit(reading(number), lambda _outcome: None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        store.may_go.release()
        store.may_go.release()
        await batcher.close()
        assert store.batches == [[1], [2, 3, 4, 5]]

    asyncio.run(run())


def test_a_bug_in_the_store_leaves_nobody_without_an_answer() -> None:
    async def broken(_readings: Sequence[Submission]) -> Sequence[Outcome]:
        raise ZeroDivisionError("boom")

    async def run() -> list[Outcome]:
        outcomes: list[Outcome] = []
        batcher = Batcher(broken)
        batcher.submit(reading(1), outcomes.append)
        await batcher.close()
        batcher.submit(reading(2), outcomes.append)
        await batcher.close()
        return outcomes

    outcomes = asyncio.run(run())
    assert [type(outcome) for outcome in outcomes] == [StoreError, StoreError]
    assert "boom" in str(outcomes[0])


def test_one_too_many_is_refused_and_what_waits_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_proxy.batch.SWEEP_EVERY_S", 0.001)

    async def run() -> None:
        store = Store()
        batcher = Batcher(store.store_batch, waiting_limit=2, patience_s=0.002)
        outcomes: dict[int, Outcome] = {}
        batcher.submit(reading(1), lambda outcome: outcomes.update({1: outcome}))
        await asyncio.sleep(0)
        for number in (2, 3):
            batcher.submit(reading(number), lambda outcome, n=number: outcomes.update({n: outcome}))  # type: ignore[misc]
        with pytest.raises(OverloadedError, match="2 readings wait"):
            batcher.submit(reading(4), lambda _outcome: None)
        async with asyncio.timeout(5):
            while len(outcomes) < 3:
                await asyncio.sleep(0.001)
        assert "nobody knows whether it is stored" in str(outcomes[1])
        assert "did not come to it" in str(outcomes[2])
        assert "did not come to it" in str(outcomes[3])
        told = dict(outcomes)
        store.may_go.release()
        await batcher.close()
        assert outcomes == told  # what comes too late changes nothing
        assert store.batches == [[1]]

    asyncio.run(run())


def test_batches_keep_their_distance_and_a_lone_reading_does_not_wait() -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        begun_s: list[float] = []

        async def store_batch(submissions: Sequence[Submission]) -> Sequence[Outcome]:
            begun_s.append(loop.time())
            return [Stored.NEW] * len(submissions)

        batcher = Batcher(store_batch, spacing_s=0.02, batch_limit=3)
        start_s = loop.time()
        for numbers in ((1,), (2, 3), (4,), (5, 6, 7)):
            for number in numbers:
                batcher.submit(reading(number), lambda _outcome: None)
            await batcher.close()
        return [moment_s - start_s for moment_s in begun_s]

    lone_s, shared_s, spaced_s, whole_s = asyncio.run(run())
    assert lone_s < 0.02
    assert shared_s - lone_s < 0.02  # the one before was alone
    assert spaced_s - shared_s >= 0.019
    assert whole_s - spaced_s < 0.019


@pytest.mark.parametrize("outcomes", [[], [Stored.NEW], [Stored.NEW] * 3])
def test_a_store_that_miscounts_leaves_nobody_without_an_answer(outcomes: list[Outcome]) -> None:
    async def miscounting(_readings: Sequence[Submission]) -> Sequence[Outcome]:
        return outcomes

    async def run() -> list[Outcome]:
        told: list[Outcome] = []
        batcher = Batcher(miscounting)
        for number in (1, 2):
            batcher.submit(reading(number), told.append)
        await batcher.close()
        return told

    assert [type(outcome) for outcome in asyncio.run(run())] == [StoreError, StoreError]


def test_a_sender_that_makes_trouble_is_nobody_elses(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[Outcome]:
        store = Store()
        told: list[Outcome] = []

        def trouble(_outcome: Outcome) -> None:
            raise ZeroDivisionError("boom")

        batcher = Batcher(store.store_batch)
        for done in (trouble, told.append, trouble, told.append):
            batcher.submit(reading(1), done)
        store.may_go.release()
        await batcher.close()
        batcher.submit(reading(2), told.append)
        store.may_go.release()
        await batcher.close()
        return told

    assert asyncio.run(run()) == [Stored.NEW] * 3
    assert caplog.text.count("the answer to a reading of device 1") == 2


def test_an_end_in_the_middle_is_told_to_all() -> None:
    async def run() -> list[Outcome]:
        store = Store()
        told: list[Outcome] = []
        batcher = Batcher(store.store_batch, batch_limit=1)
        for number in (1, 2):
            batcher.submit(reading(number), told.append)
        ending = asyncio.create_task(batcher.close())
        while not store.batches:
            await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        store.may_go.release()
        await batcher.close()
        return told

    assert [type(outcome) for outcome in asyncio.run(run())] == [StoreError, StoreError]


def test_a_sender_may_submit_its_next_reading_as_soon_as_it_is_told() -> None:
    async def run() -> None:
        told: list[Outcome] = []

        async def at_once(readings: Sequence[Submission]) -> Sequence[Outcome]:
            return [Stored.NEW] * len(readings)

        batcher = Batcher(at_once)

        def again(outcome: Outcome) -> None:
            told.append(outcome)
            if len(told) < 40:
                batcher.submit(reading(1), again)

        for _ in range(3):
            batcher.submit(reading(1), again)
        async with asyncio.timeout(5):
            while len(told) < 42:
                await asyncio.sleep(0)
        await batcher.close()
        assert told == [Stored.NEW] * 42

    asyncio.run(run())
