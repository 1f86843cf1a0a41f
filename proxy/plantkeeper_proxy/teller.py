"""Tells forwarders the news that no batch of readings took along."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg2

from plantkeeper_proxy.database import Database
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.news import News, Telling
from plantkeeper_proxy.queries import queries

GRACE_S = 0.01  # a batch that comes by then takes them along
AGAIN_S = 1.0  # after something could not be stored or told
LAST_WORD_S = 1.0
log = logging.getLogger(__name__)


class Teller:
    """Sees to it that news are told, over a new connection where there is none. To be used within one event loop.

    Args:
        connected: gives the connection that there is, or a new one, or raises a StoreError.
    """

    def __init__(self, news: News, connected: Callable[[], Awaitable[Database]]) -> None:
        self._news, self._connected = news, connected
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def plan(self, *, failed: bool = False) -> None:
        """Tell what there is to tell when it is time, unless a batch does.

        Args:
            failed: something could not be stored or told; wait a while.
        """
        due_in_s = self._news.due_in_s
        if due_in_s is not None and self._task is None and not self._ended:
            loop = asyncio.get_running_loop()
            due_s = loop.time() + max(due_in_s + GRACE_S, AGAIN_S if failed else 0.0)
            if self._timer is not None:
                if self._due_s <= due_s:
                    return
                self._timer.cancel()
            self._due_s, self._timer = due_s, loop.call_at(due_s, self._begin)

    def stand_aside(self) -> None:
        """Somebody connects who is in more of a hurry; try again later."""
        if self._task is not None:
            self._task.cancel()

    async def end(self, database: Database | None) -> None:
        """Tell what is left, if that does not take long; nothing is told afterwards."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=LAST_WORD_S)
            task.cancel()
        telling = self._news.telling(at_once=True)
        if telling is not None and database is not None and database.is_open:
            with suppress(StoreError, TimeoutError):  # forwarders look from time to time
                async with asyncio.timeout(LAST_WORD_S):
                    await self._tell(database, telling)

    def _begin(self) -> None:
        self._timer = None
        if self._news.telling() is None:  # a batch has told
            self.plan()
        else:
            self._task = asyncio.get_running_loop().create_task(self._tell_now())

    async def _tell_now(self) -> None:
        failed = True
        try:
            database = await self._connected()
            telling = self._news.telling()
            if telling is not None:
                await self._tell(database, telling)
            failed = False
        except StoreError as error:
            log.warning("forwarders could not be told of new readings: %s", error)
        finally:
            self._task = None
            self.plan(failed=failed)

    async def _tell(self, database: Database, telling: Telling) -> None:
        try:
            await database.run(queries()["tell"], {"news": telling.payload})
        except StoreError as error:
            if isinstance(error.__cause__, psycopg2.errors.ReadOnlySqlTransaction):
                database.close()  # a primary that became a standby: the next connection may find the new one
            raise
        self._news.told(telling)
