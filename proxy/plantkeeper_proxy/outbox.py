"""The outbox as a forwarder sees it: which devices wait, whose lane is ours, and what became of readings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.queries import queries
from plantkeeper_proxy.upstream import Waiting

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class Claim:
    """A lane that is ours, with its device's oldest readings.

    Args:
        attempts: failed so far for the oldest.
        whole: True where these are all that wait.
    """

    device_id: int
    attempts: int
    readings: Sequence[Waiting]
    whole: bool


@dataclass(frozen=True)
class Dead:
    """A reading that the backend will never take."""

    reading: Waiting
    attempts: int
    error: str


@dataclass(frozen=True)
class Settlement:
    """What became of a claim; gives the lane back.

    Args:
        delivered: readings that the backend has.
        dead: readings that it never will.
        attempts: failed so far for the reading that is the oldest now.
        delay_s: pause before its next attempt.
        error: why, or None.
    """

    device_id: int
    delivered: Sequence[Waiting] = ()
    dead: Sequence[Dead] = ()
    attempts: int = 0
    delay_s: float = 0.0
    error: str | None = None


class Outbox:
    """One connection to the outbox, which also hears of new entries.

    Raises:
        StoreError: from every method, where PostgreSQL cannot be used; make a new one then.
    """

    def __init__(self, dsn: str) -> None:
        try:
            self._connection: Connection = psycopg2.connect(
                dsn,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="plantkeeper-forwarder",
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
            )
        except psycopg2.Error as error:
            raise StoreError(f"cannot connect to PostgreSQL: {str(error).strip()}") from error
        self._connection.autocommit = True

    def listen(self) -> None:
        """Ask to hear of new entries."""
        self._run("listen")

    def fileno(self) -> int:
        """For select: readable when there is news."""
        return int(self._connection.fileno())

    def news(self) -> set[int] | None:
        """Devices that new readings came from since the last call; None: too many to name, look for yourself."""
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise StoreError(f"PostgreSQL is gone: {str(error).strip()}") from error
        payloads = [notification.payload for notification in self._connection.notifies]
        self._connection.notifies.clear()
        if "" in payloads:
            return None
        return {int(device_id) for payload in payloads for device_id in payload.split(",")}

    def waiting_devices(self) -> set[int]:
        """Every device with a waiting reading."""
        return {device_id for (device_id,) in self._run("waiting_devices")}

    def claim(self, devices: Collection[int], *, lease_s: float, limit: int) -> tuple[list[Claim], dict[int, float]]:
        """Take the lanes of these devices that are free and due.

        Args:
            lease_s: after so long, a lane that was not given back is free again: its forwarder died.
            limit: most readings of a device.

        Returns:
            The claims, and for every other device the seconds until its lane may be free.
        """
        rows = self._run("claim", devices=list(devices), lease_s=lease_s)
        ours = {device_id: attempts for device_id, attempts, _ in rows if attempts is not None}
        others = {device_id: free_in_s or 0.0 for device_id, attempts, free_in_s in rows if attempts is None}
        readings: dict[int, list[Waiting]] = {device_id: [] for device_id in ours}
        if ours:
            for row in self._run("oldest", devices=list(ours), limit=limit):
                readings[row[1]].append(Waiting(*row))
        claims = [
            Claim(device_id, ours[device_id], found, whole=len(found) < limit) for device_id, found in readings.items()
        ]
        return claims, others

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down what became of claims, and give their lanes back, in one transaction."""
        settled = list(settlements)
        dead = [letter for one in settled for letter in one.dead]
        gone = [reading for one in settled for reading in (*one.delivered, *(letter.reading for letter in one.dead))]
        self._run(
            "settle",
            dead_readings=[letter.reading.reading_id for letter in dead],
            dead_devices=[letter.reading.device_id for letter in dead],
            dead_attempts=[letter.attempts for letter in dead],
            dead_errors=[letter.error for letter in dead],
            gone_devices=[reading.device_id for reading in gone],
            gone_readings=[reading.reading_id for reading in gone],
            devices=[one.device_id for one in settled],
            attempts=[one.attempts for one in settled],
            delays_s=[one.delay_s for one in settled],
            errors=[one.error for one in settled],
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, name: str, **arguments: Any) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(queries()[name], arguments)
                return cursor.fetchall() if cursor.description is not None else []
        except psycopg2.Error as error:
            raise StoreError(f"the outbox cannot be used ({name}): {str(error).strip()}") from error
