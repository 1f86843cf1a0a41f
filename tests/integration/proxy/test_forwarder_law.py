"""The forwarder's law over a real outbox: in order, none lost, and nothing repeated but the newest, whatever crashes.

The backend is a function here, so that crashes can fall between any two steps; how HTTPS behaves is tested elsewhere.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest
from sql import execute

from plantkeeper_proxy.delivery import Delivered, Outcome, Reject, Retry, Waiting
from plantkeeper_proxy.forward import Forwarder
from plantkeeper_proxy.outbox import Outbox
from plantkeeper_proxy.upstream import Upstream

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DEVICES, READINGS_EACH = 5, 24
names = count(1)


class Backend:
    """Answers as told; keeps what took effect."""

    timeout_s = 0.2
    certificate_expires_s = None

    def __init__(self, decide: Callable[[Waiting], Outcome], delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.decide, self.delay_s = decide, delay_s
        self.effects: dict[int, list[int]] = {}
        self.sent: list[int] = []
        self.on_their_way: dict[int, int] = {}
        self.most_at_once = 0
        self.attempts: set[asyncio.Task[None]] = set()

    def send(self, reading: Waiting, done: Callable[[Outcome], None]) -> None:
        attempt = asyncio.get_running_loop().create_task(self.attempt(reading, done))
        self.attempts.add(attempt)
        attempt.add_done_callback(self.attempts.discard)

    async def attempt(self, reading: Waiting, done: Callable[[Outcome], None]) -> None:
        device_id = reading.device_id
        self.on_their_way[device_id] = self.on_their_way.get(device_id, 0) + 1
        self.most_at_once = max(self.most_at_once, self.on_their_way[device_id])
        self.sent.append(reading.reading_id)
        outcome = self.decide(reading)
        if isinstance(outcome, Delivered):
            self.effects.setdefault(device_id, []).append(reading.reading_id)
        try:
            await asyncio.sleep(self.delay_s())
        finally:
            self.on_their_way[device_id] -= 1
        done(outcome)


def forwarder(dsn: str, backend: Backend, seed: int = 1, **options: Any) -> Forwarder:
    owner = f"test-{next(names)}"
    return Forwarder(
        lambda news, lost: Outbox.open(dsn, owner, news=news, lost=lost),
        cast(Upstream, backend),
        **{"connections": 8, "unknown_sensor_attempts": 3, "random": random.Random(seed).random, **options},
    )


def fill(dsn: str) -> dict[int, list[int]]:
    """Readings of all devices, interleaved."""
    execute(
        dsn,
        "INSERT INTO outbox (reading_id, device_id) SELECT id, 1 + id %% %s FROM generate_series(1, %s) AS id",
        DEVICES,
        DEVICES * READINGS_EACH,
    )
    expected: dict[int, list[int]] = {}
    for reading_id in range(1, DEVICES * READINGS_EACH + 1):
        expected.setdefault(1 + reading_id % DEVICES, []).append(reading_id)
    return expected


async def until_empty(dsn: str, deadline_s: float = 60.0) -> None:
    async with asyncio.timeout(deadline_s):
        while await asyncio.to_thread(execute, dsn, "SELECT FROM outbox LIMIT 1"):
            await asyncio.sleep(0.02)


def without_repeats_of_the_newest(ids: list[int]) -> list[int]:
    return [reading_id for n, reading_id in enumerate(ids) if n == 0 or ids[n - 1] != reading_id]


@pytest.mark.parametrize("replicas", [1, 3])
def test_all_arrive_once_and_in_order_one_at_a_time(database_dsn: str, replicas: int) -> None:
    expected = fill(database_dsn)
    backend = Backend(lambda _reading: Delivered(), delay_s=lambda: 0.002)

    async def run() -> None:
        forwarders = [forwarder(database_dsn, backend, seed) for seed in range(replicas)]
        tasks = [asyncio.create_task(one.run()) for one in forwarders]
        await until_empty(database_dsn)
        for one in forwarders:
            one.stop()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert backend.effects == expected
    assert backend.most_at_once == 1
    assert execute(database_dsn, "SELECT FROM lane WHERE claimed_until > now()") == []


@pytest.mark.parametrize("seed", range(4))
def test_crashes_between_any_two_steps_repeat_nothing_but_the_newest(database_dsn: str, seed: int) -> None:
    """A forwarder is cancelled where it stands, its connection with it; the next comes when its claims have run out."""
    expected = fill(database_dsn)
    chance = random.Random(seed)

    def decide(_reading: Waiting) -> Outcome:
        return Retry("503") if chance.random() < 0.1 else Delivered()

    backend = Backend(decide, delay_s=lambda: chance.choice((0.0, 0.001, 0.01)))

    async def run() -> None:
        for _ in range(6):
            one = forwarder(database_dsn, backend, seed)
            one._attempt_s, one._lease_s = 0.3, 0.6
            task = asyncio.create_task(one.run())
            await asyncio.sleep(chance.uniform(0.02, 0.25))
            attempts = list(backend.attempts)
            for ended in (*attempts, task):
                ended.cancel()
            await asyncio.gather(task, *attempts, return_exceptions=True)
        last = forwarder(database_dsn, backend, seed)
        last._attempt_s, last._lease_s = 0.3, 0.6
        task = asyncio.create_task(last.run())
        await until_empty(database_dsn)
        last.stop()
        await task

    asyncio.run(run())
    effects = {device_id: without_repeats_of_the_newest(ids) for device_id, ids in backend.effects.items()}
    assert effects == expected, f"seed {seed}"
    assert backend.most_at_once == 1, f"seed {seed}"


def test_one_request_that_hangs_holds_up_no_other_device(database_dsn: str) -> None:
    """Each look would wait a tenth of a second for it, with a hundred looks to go."""
    devices, each = 24, 100
    values = "SELECT id, 1 + id %% %s FROM generate_series(1, %s) AS id"
    execute(database_dsn, f"INSERT INTO outbox (reading_id, device_id) {values}", devices, devices * each)

    class Hanging(Backend):
        async def attempt(self, reading: Waiting, done: Callable[[Outcome], None]) -> None:
            if reading.device_id == 1:
                await others_are_there.wait()
            await super().attempt(reading, done)
            if sum(map(len, self.effects.values())) == (devices - 1) * each:
                others_are_there.set()

    others_are_there = asyncio.Event()
    backend = Hanging(lambda _reading: Delivered())
    backend.timeout_s = 60.0

    async def run() -> None:
        one = forwarder(database_dsn, backend, connections=64)
        task = asyncio.create_task(one.run())
        async with asyncio.timeout(5):
            await others_are_there.wait()
        await until_empty(database_dsn)
        one.stop()
        await task

    asyncio.run(run())
    assert {len(ids) for ids in backend.effects.values()} == {each}


@pytest.mark.parametrize("news", [set(), {2}])
def test_a_stop_waits_for_what_is_on_its_way_and_for_nothing_else(database_dsn: str, news: set[int]) -> None:
    """Neither until the next report, in 15 s, nor by looking again and again."""
    execute(database_dsn, "INSERT INTO outbox (reading_id, device_id) VALUES (1, 1)")
    backend = Backend(lambda _reading: Delivered(), delay_s=lambda: 0.3)
    rounds = 0

    def count_round() -> float:
        nonlocal rounds
        rounds += 1
        return 0.0

    async def run() -> None:
        one = forwarder(database_dsn, backend, cpu_s=count_round)
        task = asyncio.create_task(one.run())
        async with asyncio.timeout(5):
            while not backend.sent:
                await asyncio.sleep(0.001)
            one.stop()
            one._hear(news)
            await task

    asyncio.run(run())
    assert backend.effects == {1: [1]}
    assert rounds < 20
    assert execute(database_dsn, "SELECT FROM outbox") == []


def test_one_device_that_is_refused_for_good_stops_no_other(database_dsn: str) -> None:
    expected = fill(database_dsn)
    unknown = Retry("401", device_only=True)
    backend = Backend(
        lambda reading: Reject("400") if reading.reading_id == 7 else unknown if reading.device_id == 1 else Delivered()
    )

    async def run() -> None:
        one = forwarder(database_dsn, backend, unknown_sensor_attempts=2, random=lambda: 0.0)
        task = asyncio.create_task(one.run())
        await until_empty(database_dsn)
        one.stop()
        await task

    asyncio.run(run())
    dead = execute(database_dsn, "SELECT reading_id, device_id, attempts FROM dead_letter ORDER BY 1")
    assert sorted(dead) == sorted([(reading_id, 1, 2) for reading_id in expected[1]] + [(7, 3, 1)])
    del expected[1]
    expected[3].remove(7)
    assert backend.effects == expected


def test_an_outage_costs_one_probe_at_a_time(database_dsn: str) -> None:
    expected = fill(database_dsn)
    down = True
    probes_at_once: list[int] = []

    def decide(_reading: Waiting) -> Outcome:
        if not down:
            return Delivered()
        probes_at_once.append(sum(backend.on_their_way.values()))
        return Retry("503")

    backend = Backend(decide, delay_s=lambda: 0.005)

    async def run() -> None:
        nonlocal down
        one = forwarder(database_dsn, backend, random=lambda: 0.02)
        task = asyncio.create_task(one.run())
        async with asyncio.timeout(30):
            while len(probes_at_once) < 14:
                await asyncio.sleep(0.005)
        assert one.tally.alarms == {"backend": "503"}
        down = False
        await until_empty(database_dsn)
        assert one.tally.alarms == {}
        one.stop()
        await task

    asyncio.run(run())
    assert max(probes_at_once[DEVICES:]) == 1
    assert backend.effects == expected


def test_what_is_delivered_while_the_database_is_away_is_not_sent_again(database_dsn: str) -> None:
    """The answer is kept until it can be written down; the connection is cut while readings are on their way."""
    expected = fill(database_dsn)
    cuts = 0

    def decide(reading: Waiting) -> Outcome:
        nonlocal cuts
        if reading.reading_id % 40 == 0:
            cuts += 1
            execute(
                database_dsn,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'plantkeeper-forwarder' AND datname = current_database()",
            )
        return Delivered()

    backend = Backend(decide, delay_s=lambda: 0.01)

    async def run() -> None:
        one = forwarder(database_dsn, backend)
        task = asyncio.create_task(one.run())
        await until_empty(database_dsn)
        one.stop()
        await task

    asyncio.run(run())
    assert cuts == 3
    assert backend.effects == expected
