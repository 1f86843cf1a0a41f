"""Questions that the harness puts to gateway, backend and database; it never writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import requests

from plantkeeper_hil.errors import StackError

TIMEOUT_S = 10.0
READINGS = """
SELECT id, device_id, idempotency_key, temperature, humidity, light FROM reading WHERE id > %s ORDER BY id
"""
OUTBOX_COUNT = "SELECT count(*) FROM outbox"


class BackendClient:
    """The mock backend's own pages for the harness (docs/backend.md).

    Args:
        url: such as https://127.0.0.1:8443.
        ca: certificate authority that it is verified against.
    """

    def __init__(self, url: str, ca: Path) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca)

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._session.get(f"{self.url}/_mock/stats", timeout=TIMEOUT_S).status_code == 200
        except requests.RequestException:
            return False

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """All requests that it got, from number `after` + 1 on."""
        answer = self._session.get(f"{self.url}/_mock/journal", params={"after": after}, timeout=TIMEOUT_S)
        answer.raise_for_status()
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def stats(self) -> Mapping[str, Any]:
        """Its counters."""
        answer = self._session.get(f"{self.url}/_mock/stats", timeout=TIMEOUT_S)
        answer.raise_for_status()
        counters: dict[str, Any] = answer.json()
        return counters

    def close(self) -> None:
        """Close its connections."""
        self._session.close()


def gateway_is_ready(url: str) -> bool:
    """Whether the gateway says that it can take readings."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(f"{url}/readyz", timeout=TIMEOUT_S).status_code == 200
        except requests.RequestException:
            return False


class DatabaseClient:
    """What is stored (docs/architecture.md section 6), read-only.

    Raises:
        StackError: from every question, where PostgreSQL does not answer.
    """

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg2.connect(dsn)
        self._connection.set_session(readonly=True, autocommit=True)

    def readings(self, after: int = 0) -> list[dict[str, Any]]:
        """Stored readings in order, from id `after` + 1 on."""
        with _answering(), self._connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(READINGS, (after,))
            return [dict(row) for row in cursor.fetchall()]

    def waiting(self) -> int:
        """Readings that the backend does not have yet."""
        with _answering(), self._connection.cursor() as cursor:
            cursor.execute(OUTBOX_COUNT)
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise StackError(f"PostgreSQL does not answer: {str(error).strip()}; see postgres.log") from error
