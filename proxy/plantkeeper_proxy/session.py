"""PostgreSQL through psycopg2 for a thread: no call waits beyond its deadline.

libpq itself waits without an end once a statement is sent, and neither statement_timeout nor tcp_user_timeout is any
help where the server hangs; so the connection is an asynchronous one, and poll(2) has the clock.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import extensions

from plantkeeper_proxy.database import Row, reason
from plantkeeper_proxy.errors import StoreError


class Session:
    """One connection; statements commit by themselves. To be used by one thread at a time, and closed after an error.

    Args:
        dsn: libpq connection string or URL.
        name: how the server lists the connection.
        options: for the server.

    Attributes:
        due_s: until when `run` may wait, by `time.monotonic`.
    """

    def __init__(self, dsn: str, *, name: str, options: str) -> None:
        self._dsn, self._name, self._options = dsn, name, options
        self._connection: extensions.connection | None = None
        self.due_s = 0.0

    def connect(self, due_s: float) -> None:
        """Connect.

        Raises:
            StoreError: PostgreSQL cannot be reached in time, or refuses us.
        """
        self.due_s = due_s
        try:
            self._connection = psycopg2.connect(
                self._dsn, async_=True, application_name=self._name, options=self._options
            )
            self._finish(self._connection)
        except (psycopg2.Error, TimeoutError) as error:
            said = reason(error) if isinstance(error, psycopg2.Error) else "no answer in time"
            raise StoreError(f"cannot connect to PostgreSQL: {said}") from error

    @property
    def is_dead(self) -> bool:
        """Whether the server ended the connection while nothing was asked of it; found out without asking."""
        if self._connection is None or self._connection.closed:
            return True
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def run(self, query: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement, or several as one transaction; returns the rows of the last.

        Raises:
            StoreError: it failed, `__cause__` says how; or there was no answer in time, and nobody knows.
        """
        if self._connection is None:
            raise StoreError("not connected to PostgreSQL")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, arguments)
                self._finish(self._connection)
                return cursor.fetchall() if cursor.description is not None else []
        except psycopg2.Error as error:
            raise StoreError(f"PostgreSQL failed: {reason(error)}") from error
        except TimeoutError as error:
            raise StoreError("PostgreSQL did not answer in time") from error

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _finish(self, connection: extensions.connection) -> None:
        """Wait until the server has answered, or raise TimeoutError."""
        while (state := connection.poll()) != extensions.POLL_OK:
            poll = select.poll()  # anew: libpq may change its socket on the way from address to address
            poll.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            left_s = self.due_s - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise TimeoutError
