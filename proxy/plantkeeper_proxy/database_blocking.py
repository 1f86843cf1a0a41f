"""PostgreSQL through psycopg2 for threads: like `database.py`, no call waits longer than it may.

A plain psycopg2 connection waits without an end for a server that hangs; this is an asynchronous one whose waits are
`poll(2)` with a deadline (psycopg2's documentation, "Asynchronous support").
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import extensions

from plantkeeper_proxy.database import CONNECT_TIMEOUT_S, Row, reason, server_options
from plantkeeper_proxy.errors import StoreError

_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class BlockingDatabase:
    """One connection; statements commit by themselves. Not to be used by two threads at once.

    Args:
        dsn: libpq connection string or URL.
        name: how the server lists the connection.
        wait_s: longest wait for a statement's result.

    Raises:
        StoreError: PostgreSQL cannot be reached within 3 s, or refuses us.
    """

    def __init__(self, dsn: str, *, name: str, wait_s: float) -> None:
        self._wait_s = wait_s
        try:
            self._connection: extensions.connection = psycopg2.connect(
                dsn, async_=True, application_name=name, options=server_options(wait_s)
            )
            try:
                self._finish(CONNECT_TIMEOUT_S)
            except BaseException:
                self._connection.close()
                raise
        except (psycopg2.Error, TimeoutError) as error:
            said = reason(error) if isinstance(error, psycopg2.Error) else f"no answer within {CONNECT_TIMEOUT_S:g} s"
            raise StoreError(f"cannot connect to PostgreSQL: {said}") from error

    @property
    def is_open(self) -> bool:
        """False once the connection is of no more use."""
        return not self._connection.closed

    def run(self, query: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement, or several as one transaction; returns the rows of the last.

        Raises:
            StoreError: it failed, `__cause__` says how; or there was no answer in time, and nobody knows.
        """
        try:
            cursor = self._connection.cursor()
            cursor.execute(query, arguments)
            self._finish(self._wait_s)
            return cursor.fetchall() if cursor.description is not None else []
        except psycopg2.Error as error:
            if self._connection.closed or self._connection.info.transaction_status > extensions.TRANSACTION_STATUS_IDLE:
                self.close()
            raise StoreError(f"PostgreSQL failed: {reason(error)}") from error
        except TimeoutError as error:
            self.close()
            raise StoreError(f"PostgreSQL did not answer within {self._wait_s:g} s") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _finish(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while (state := self._connection.poll()) != extensions.POLL_OK:
            left_s = deadline_s - time.monotonic()
            poll = select.poll()
            poll.register(self._connection.fileno(), _EVENTS[state])
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise TimeoutError
