"""What a fault's trial works with: a stack whose backend can be told to misbehave, and whose database can be asked."""

from __future__ import annotations

import abc
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import requests

from plantkeeper_hil.errors import FaultRunError
from plantkeeper_hil.faults.ledger import Ledger
from plantkeeper_hil.stack.clients import BackendClient

HTTP_TIMEOUT_S = 10.0
POLL_S = 0.02
WAITING = "SELECT count(*) FROM outbox"
PARKED = """
SELECT reading.device_id, reading.idempotency_key, reading.temperature, reading.humidity, reading.light
FROM dead_letter JOIN reading ON reading.id = dead_letter.reading_id
"""


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Wait until something holds.

    Raises:
        FaultRunError: it did not in time.
    """
    end_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end_s:
            raise FaultRunError(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(POLL_S)


class World(abc.ABC):
    """Gateways, forwarders, the mock backend and PostgreSQL, whatever they are made of.

    Args:
        backend_url: of the mock backend.
        ca: the authority that it is verified against.
    """

    def __init__(self, backend_url: str, ca: Path) -> None:
        self.backend_url, self.ca = backend_url, ca
        self.backend = BackendClient(backend_url, ca)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca)

    @property
    @abc.abstractmethod
    def gateways(self) -> Sequence[tuple[str, int]]:
        """Where boards post to; those that are down may still be among them."""

    @property
    @abc.abstractmethod
    def dsn(self) -> str:
        """Of the database."""

    @abc.abstractmethod
    def check_alive(self) -> None:
        """Make sure that everything runs.

        Raises:
            StackError: something does not; shows the end of its log.
        """

    @abc.abstractmethod
    def journal(self) -> list[dict[str, Any]]:
        """All requests that the backend got in this world, in order."""

    @abc.abstractmethod
    def journal_length(self) -> int:
        """How many requests that were."""

    @abc.abstractmethod
    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU that each running part has used."""

    @property
    @abc.abstractmethod
    def logs(self) -> str:
        """Where logs are, for messages."""

    @property
    def gateway_url(self) -> str:
        """Of the first gateway."""
        host, port = self.gateways[0]
        return f"http://{host}:{port}"

    def close(self) -> None:
        """Close the connections to it."""
        self.backend.close()
        self._session.close()

    def fault(self, name: str, *, count: int = 1_000_000, **settings: Any) -> None:
        """What the backend's next requests meet (docs/backend.md)."""
        self._post("fault", {"name": name, "count": count, **settings})

    def faults_left(self) -> int:
        """How many requests still meet it."""
        answer = self._session.get(f"{self.backend_url}/_mock/fault", timeout=HTTP_TIMEOUT_S)
        return int(answer.json()["left"])

    def mend(self) -> None:
        """Take the backend's fault back."""
        self._session.delete(f"{self.backend_url}/_mock/fault", timeout=HTTP_TIMEOUT_S).raise_for_status()

    def create_sensors(self, ids: Iterable[int]) -> None:
        """Make sensors known to the backend."""
        self._post("sensors", {"ids": list(ids)})

    def execute(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Ask the database, on a connection of its own, since PostgreSQL is one of the things that break."""
        connection = psycopg2.connect(self.dsn, connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query, arguments or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def waiting(self) -> int | None:
        """Readings that the backend does not have yet; None while PostgreSQL does not say."""
        try:
            return int(self.execute(WAITING)[0][0])
        except psycopg2.OperationalError:
            return None

    def parked(self, ledger: Ledger) -> set[tuple[int, int]]:
        """Device and number of the readings that are dead letters.

        Raises:
            FaultRunError: a dead letter is none of the load's readings.
        """
        by_posted: dict[tuple[Any, ...], tuple[int, int]] = {}
        for sent in ledger:
            body = json.loads(sent.body)
            values = (body["temperature"], body["humidity"], body["light"])
            by_posted[(sent.device_id, sent.key, *values)] = (sent.device_id, sent.number)
        rows = self.execute(PARKED)
        strange = [row for row in rows if row not in by_posted]
        if strange:
            raise FaultRunError(f"dead letters that no board sent: {strange[:5]}")
        return {by_posted[row] for row in rows}

    def wait_drained(self, *, timeout_s: float) -> None:
        """Wait until the outbox is empty.

        Raises:
            FaultRunError: it was not in time, or something died meanwhile.
        """

        def drained() -> bool:
            self.check_alive()
            return self.waiting() == 0

        try:
            wait_for(drained, "an empty outbox", timeout_s=timeout_s)
        except FaultRunError as error:
            raise FaultRunError(f"{error}: {self.waiting()} readings wait; logs are in {self.logs}") from None

    def readyz(self) -> dict[str, Any]:
        """What the gateway says of its state."""
        answer = self._session.get(f"{self.gateway_url}/readyz", timeout=HTTP_TIMEOUT_S)
        state: dict[str, Any] = answer.json()
        return state

    def metric(self, name: str) -> float | None:
        """A gauge of the gateway without labels; None where it has none of that name."""
        text = self._session.get(f"{self.gateway_url}/metrics", timeout=HTTP_TIMEOUT_S).text
        values = [line.split()[1] for line in text.splitlines() if line.split()[:1] == [name]]
        return float(values[0]) if values else None

    def _post(self, page: str, body: dict[str, Any]) -> None:
        answer = self._session.post(f"{self.backend_url}/_mock/{page}", json=body, timeout=HTTP_TIMEOUT_S)
        if answer.status_code != 200:
            raise FaultRunError(f"the mock backend refused {page} {body}: {answer.text}")
