"""One reading to the backend over verified HTTPS, and what its answer means.

A 401 need not be about credentials there, nor a 500 transient (docs/backend.md): the answer's body is read too.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from plantkeeper_proxy.message import backend_body, quote_key

CONNECT_TIMEOUT_S = 5.0
ERROR_SHOWN = 300
NEVER_GOOD = {400, 413, 422}
INVALID_VALUE = "invalid input syntax"


@dataclass(frozen=True)
class Waiting:
    """A reading that waits for the backend."""

    reading_id: int
    device_id: int
    key: str | None
    temperature: float | None
    humidity: float | None
    light: float | None

    @property
    def idempotency_key(self) -> str:
        """The board's key, or one of ours where the board sent none."""
        return quote_key(self.key if self.key is not None else f"reading-{self.reading_id}")


@dataclass(frozen=True)
class Delivered:
    """The backend has it."""


@dataclass(frozen=True)
class Retry:
    """It may go better later.

    Args:
        after_s: what the backend asked for; None where it did not.
    """

    error: str
    after_s: float | None = None


@dataclass(frozen=True)
class Reject:
    """The backend will never take this reading."""

    error: str


Outcome = Delivered | Retry | Reject


def judge(status: int, body: str, retry_after: str | None) -> Outcome:
    """What an answer means. Only 200 is delivered; a redirect is not followed."""
    if status == 200:
        return Delivered()
    error = f"the backend answered {status}: {body[:ERROR_SHOWN]!r}"
    if status in NEVER_GOOD or (status == 500 and INVALID_VALUE in body):
        return Reject(error)
    after_s = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return Retry(error, after_s)


class Upstream:
    """The backend. Safe to use from several threads; each keeps its own connection.

    Args:
        url: https://…, without /api/v1.
        ca: authority that it is verified against; None: the system's.
        token: bearer token, or None.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, url: str, *, ca: Path | None, token: str | None, timeout_s: float) -> None:
        self._url, self._ca, self._token = url, ca, token
        self._timeout = (CONNECT_TIMEOUT_S, timeout_s)
        self._local = threading.local()

    def send(self, reading: Waiting) -> Outcome:
        """Send a reading and wait for the answer."""
        try:
            return self._exchange(reading)
        except requests.exceptions.SSLError as error:
            return Retry(f"the backend's certificate is not verified: {error}")
        except requests.exceptions.ConnectionError:
            pass  # an idle connection that the backend closed meanwhile looks like this: once more, on a new one
        except requests.RequestException as error:
            return Retry(f"the backend cannot be reached: {error}")
        self._local.session.close()
        try:
            return self._exchange(reading)
        except requests.RequestException as error:
            return Retry(f"the backend cannot be reached: {error}")

    def _exchange(self, reading: Waiting) -> Outcome:
        response = self._session().patch(
            f"{self._url}/api/v1/sensors/{reading.device_id}",
            data=backend_body(reading.device_id, reading.temperature, reading.humidity, reading.light),
            headers={"Content-Type": "application/json", "Idempotency-Key": reading.idempotency_key},
            timeout=self._timeout,
            allow_redirects=False,
        )
        return judge(response.status_code, response.text, response.headers.get("Retry-After"))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxy, no CA bundle and no netrc from the environment
            session.verify = True if self._ca is None else str(self._ca)
            session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
            session.headers["User-Agent"] = "PlantKeeper-Gateway"
            if self._token is not None:
                session.headers["Authorization"] = f"Bearer {self._token}"
        return session
