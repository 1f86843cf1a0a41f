"""The outbox as a forwarder sees it: which devices wait, whose lane is ours, and what became of readings.

A lane belongs to one forwarder at a time, by a claim that runs out: a forwarder that died or lost its way holds up
its devices no longer than that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from plantkeeper_proxy.database import Database, Row, connect
from plantkeeper_proxy.delivery import Waiting
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.queries import queries

WAIT_S = 10.0


@dataclass(frozen=True)
class Dead:
    """A reading that the backend will never take."""

    reading: Waiting
    attempts: int
    error: str


@dataclass(frozen=True)
class Pause:
    """A lane that is given back with what its oldest reading has gone through.

    Args:
        attempts: that failed so far for the reading that is the oldest now.
        delay_s: until its next attempt.
        error: of the last attempt, or None.
    """

    device_id: int
    attempts: int
    delay_s: float
    error: str | None


@dataclass(frozen=True)
class Claims:
    """What came of an attempt to take lanes.

    Args:
        attempts: of each lane that is ours now, how many failed so far for its oldest reading.
        taken_by_others: seconds until a lane may be free or due.
        unknown: devices that have no lane yet; see `Outbox.make_lanes`.
    """

    attempts: Mapping[int, int]
    taken_by_others: Mapping[int, float]
    unknown: Collection[int]


class Outbox:
    """One connection to the outbox, which also hears of new entries.

    Args:
        database: the connection.
        owner: name of this forwarder in lanes.

    Raises:
        StoreError: from every method, where PostgreSQL cannot be used; make a new one then.
    """

    def __init__(self, database: Database, owner: str) -> None:
        self._database, self._owner = database, owner

    @classmethod
    async def open(
        cls, dsn: str, owner: str, *, news: Callable[[set[int] | None], None], lost: Callable[[], None]
    ) -> Outbox:
        """Connect, and listen.

        Args:
            news: called with devices that new readings came from; None: too many to name, look for yourself.
            lost: called once the connection is gone.
        """

        def notified(payload: str) -> None:
            news({int(device_id) for device_id in payload.split(",")} if payload else None)

        database = await connect(dsn, name="plantkeeper-forwarder", wait_s=WAIT_S, notified=notified, lost=lost)
        outbox = cls(database, owner)
        await outbox._run("make_durable")
        await outbox._run("listen")
        return outbox

    async def waiting_devices(self) -> set[int]:
        """Every device with a waiting reading."""
        return {device_id for (device_id,) in await self._run("waiting_devices")}

    async def make_lanes(self, devices: Collection[int]) -> None:
        """Make lanes for devices that have none."""
        await self._run("make_lanes", devices=list(devices))

    async def claim(self, devices: Collection[int], *, lease_s: float) -> Claims:
        """Take, or keep, the lanes of these devices that are due and nobody else's.

        Args:
            lease_s: so long they are ours.
        """
        attempts: dict[int, int] = {}
        others: dict[int, float] = {}
        for device_id, failed, free_in_s in await self._run(
            "claim", devices=list(devices), owner=self._owner, lease_s=lease_s
        ):
            if failed is None:
                others[device_id] = free_in_s
            else:
                attempts[device_id] = failed
        return Claims(attempts, others, set(devices) - attempts.keys() - others.keys())

    async def oldest(self, devices: Collection[int], limit: int) -> dict[int, list[Waiting]]:
        """The oldest readings of each of these devices, at most `limit` of each."""
        readings: dict[int, list[Waiting]] = {device_id: [] for device_id in devices}
        for row in await self._run("oldest", devices=list(devices), limit=limit):
            readings[row[1]].append(Waiting(*row))
        return readings

    async def delivered(self, readings: Sequence[Waiting]) -> None:
        """The backend has these."""
        await self._run(
            "delivered",
            devices=[reading.device_id for reading in readings],
            readings=[reading.reading_id for reading in readings],
        )

    async def park(self, letters: Sequence[Dead]) -> None:
        """The backend will never take these."""
        await self._run(
            "park",
            devices=[letter.reading.device_id for letter in letters],
            readings=[letter.reading.reading_id for letter in letters],
            attempts=[letter.attempts for letter in letters],
            errors=[letter.error for letter in letters],
        )

    async def pause(self, pauses: Sequence[Pause]) -> None:
        """Give lanes back."""
        await self._run(
            "pause",
            owner=self._owner,
            devices=[pause.device_id for pause in pauses],
            attempts=[pause.attempts for pause in pauses],
            delays_s=[pause.delay_s for pause in pauses],
            errors=[pause.error for pause in pauses],
        )

    async def release(self) -> None:
        """Give all lanes back."""
        await self._run("release", owner=self._owner)

    async def report(self, counters: Mapping[str, Any], alarms: Mapping[str, str]) -> None:
        """Say how this forwarder does, for health and metrics."""
        await self._run("report", name=self._owner, counters=json.dumps(counters), alarms=json.dumps(alarms))

    @property
    def is_open(self) -> bool:
        """False once the connection is gone."""
        return self._database.is_open

    def deaf(self) -> AbstractContextManager[None]:
        """News of new entries is kept for later, and does not wake us."""
        return self._database.deaf()

    def check(self) -> None:
        """Make sure that the connection is there."""
        if not self._database.is_open:
            raise StoreError("PostgreSQL ended the connection")

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    async def _run(self, query: str, **arguments: Any) -> list[Row]:
        return await self._database.run(queries()[query], arguments)
