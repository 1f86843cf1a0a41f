"""The teller: news that no batch took along are told soon, again after a failure, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import psycopg2
import pytest

from plantkeeper_proxy.database import Database, Row
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.news import News
from plantkeeper_proxy.teller import Teller


class Connection:
    """Hears what is told."""

    def __init__(self) -> None:
        self.is_open = True
        self.heard: list[str] = []
        self.fails: StoreError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def run(self, _query: str, arguments: Mapping[str, Any]) -> list[Row]:
        await self.may_answer.wait()
        if self.fails is not None:
            raise self.fails
        self.heard.append(arguments["news"])
        return []

    def close(self) -> None:
        self.is_open = False


def told_once(news: News) -> News:
    """What a batch would have told is out of the way."""
    first = news.telling()
    assert first is not None
    news.told(first)
    return news


def run(scenario: Callable[[News, Connection], Awaitable[None]]) -> None:
    async def within_time() -> None:
        news = told_once(News(asyncio.get_running_loop().time, spacing_s=0.005))
        async with asyncio.timeout(10):
            await scenario(news, Connection())

    asyncio.run(within_time())


def giving(connection: Connection) -> Callable[[], Awaitable[Database]]:
    async def connected() -> Database:
        return cast(Database, connection)

    return connected


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_what_no_batch_took_along_is_told_and_nothing_twice() -> None:
    async def scenario(news: News, connection: Connection) -> None:
        teller = Teller(news, giving(connection))
        teller.plan()  # nothing is owed
        news.owe([1])
        teller.plan()
        await until(lambda: connection.heard == ["1"])
        news.owe([2])
        teller.plan()
        batch = None
        while batch is None:  # a batch is quicker
            batch = news.telling()
            await asyncio.sleep(0)
        news.told(batch)
        news.owe([3])
        teller.plan()
        await until(lambda: len(connection.heard) == 2)
        assert connection.heard == ["1", "3"]
        await teller.end(cast(Database, connection))
        assert len(connection.heard) == 2

    run(scenario)


def test_it_tries_again_and_over_another_connection_where_this_one_only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_proxy.teller.AGAIN_S", 0.01)

    async def scenario(news: News, standby: Connection) -> None:
        primary = Connection()
        standby.fails = StoreError("cannot execute NOTIFY during recovery")
        standby.fails.__cause__ = psycopg2.errors.ReadOnlySqlTransaction()
        answers = [StoreError("down"), standby, primary]

        async def connected() -> Database:
            answer = answers.pop(0)
            if isinstance(answer, StoreError):
                raise answer
            return cast(Database, answer)

        teller = Teller(news, connected)
        news.owe([7])
        teller.plan()
        await until(lambda: bool(primary.heard))
        assert primary.heard == ["7"]
        assert not standby.is_open
        assert primary.is_open

    run(scenario)


def test_an_earlier_time_counts_and_a_later_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_proxy.teller.AGAIN_S", 60.0)

    async def scenario(news: News, connection: Connection) -> None:
        teller = Teller(news, giving(connection))
        news.owe([1])
        teller.plan(failed=True)  # in a minute
        teller.plan()
        teller.plan(failed=True)
        await until(lambda: bool(connection.heard))

    run(scenario)


def test_it_stands_aside_for_whoever_needs_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_proxy.teller.AGAIN_S", 0.01)

    async def scenario(news: News, connection: Connection) -> None:
        attempts: list[asyncio.Event] = []

        async def connected() -> Database:
            attempts.append(asyncio.Event())
            await attempts[-1].wait()
            return cast(Database, connection)

        teller = Teller(news, connected)
        teller.stand_aside()  # from nobody's way
        news.owe([1])
        teller.plan()
        await until(lambda: len(attempts) == 1)
        teller.plan()  # it is at it
        teller.stand_aside()
        await until(lambda: len(attempts) == 2)
        attempts[1].set()
        await until(lambda: connection.heard == ["1"])

    run(scenario)


@pytest.mark.parametrize("answers", [True, False])
def test_the_last_word_is_waited_for_but_not_for_long(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_proxy.teller.LAST_WORD_S", 5.0 if answers else 0.01)

    async def scenario(news: News, connection: Connection) -> None:
        teller = Teller(news, giving(connection))
        connection.may_answer.clear()
        news.owe([1])
        teller.plan()
        await until(lambda: teller._task is not None)
        news.owe([2])
        if answers:
            asyncio.get_running_loop().call_later(0.01, connection.may_answer.set)
        await teller.end(cast(Database, connection))
        assert sorted(",".join(connection.heard)) == (sorted("1,2") if answers else [])
        news.owe([3])
        teller.plan()
        assert teller._timer is None or teller._timer.cancelled()
        await Teller(news, giving(connection)).end(None)

    run(scenario)
