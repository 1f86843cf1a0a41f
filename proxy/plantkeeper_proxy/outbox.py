"""The outbox as the forwarder sees it: what waits, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
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
class Head:
    """The oldest waiting reading of a device.

    Args:
        attempts: failed so far.
        due_in_s: seconds until its next attempt; 0 or less is now.
    """

    reading: Waiting
    attempts: int
    due_in_s: float


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

    def lead(self) -> bool:
        """Become the forwarder that sends, for as long as this connection lives; False where another one is."""
        return bool(self._run("lead")[0][0])

    def listen(self) -> None:
        """Ask to hear of new entries."""
        self._run("listen")

    def fileno(self) -> int:
        """For select: readable when there is news."""
        return int(self._connection.fileno())

    def take_news(self) -> None:
        """Forget that there was news."""
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise StoreError(f"PostgreSQL is gone: {str(error).strip()}") from error
        self._connection.notifies.clear()

    def heads(self, busy: Collection[int]) -> list[Head]:
        """The oldest waiting reading of every device that is not in `busy`."""
        return [
            Head(Waiting(*row[:6]), attempts=row[6], due_in_s=row[7]) for row in self._run("heads", busy=list(busy))
        ]

    def delivered(self, reading_id: int) -> None:
        """The backend has it."""
        self._run("delivered", reading_id=reading_id)

    def retry(self, reading_id: int, delay_s: float, error: str) -> None:
        """Another attempt, after a while."""
        self._run("retry", reading_id=reading_id, delay_s=delay_s, error=error)

    def park(self, reading_id: int, error: str) -> None:
        """Refused for good: kept for an operator, no longer in the way of the device's next reading."""
        self._run("park", reading_id=reading_id, error=error)

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
