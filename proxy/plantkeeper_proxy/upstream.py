"""One reading to the backend over verified HTTPS, and what its answer means.

A 401 need not be about credentials there, nor a 500 transient (docs/backend.md): the answer's body is read too.
Over urllib3's pools, on which requests stands; why not requests: docs/decisions/0007-forwarding.md.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from plantkeeper_proxy.message import backend_body, quote_key

CONNECT_TIMEOUT_S = 5.0
ERROR_SHOWN = 300
NEVER_GOOD = {400, 413, 422}
UNKNOWN_SENSOR = "Sensor does not exist"
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
        device_only: it is about this device; the backend itself is well.
    """

    error: str
    after_s: float | None = None
    device_only: bool = False


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
    return Retry(error, after_s, device_only=status == 401 and _message(body).startswith(UNKNOWN_SENSOR))


def _message(body: str) -> str:
    """The `message` of a JSON error, or nothing."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return ""
    return str(parsed.get("message", "")) if isinstance(parsed, dict) else ""


def verifying_context(ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and host name verified, against `ca` or the system's authorities."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Upstream:
    """The backend. Safe to use from several threads; each keeps a connection of its own.

    Args:
        url: https://…, without /api/v1.
        ca: authority that it is verified against; None: the system's.
        token: bearer token, or None.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, url: str, *, ca: Path | None, token: str | None, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            raise ValueError(f"backend address {url!r}: expected https://…")
        self._host, self._port, self._prefix = parts.hostname, parts.port or 443, parts.path.rstrip("/")
        self._context = verifying_context(ca)
        self._timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=timeout_s)
        self._headers = {"Content-Type": "application/json", "User-Agent": "PlantKeeper-Gateway"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._local = threading.local()

    @property
    def longest_attempt_s(self) -> float:
        """What one `send` may take at most: two attempts, each connecting and waiting."""
        read_s = self._timeout.read_timeout
        return 2 * (CONNECT_TIMEOUT_S + (float(read_s) if isinstance(read_s, int | float) else 0.0))

    def send(self, reading: Waiting) -> Outcome:
        """Send a reading and wait for the answer."""
        pool = self._pool()
        fresh = pool.num_connections == 0
        try:
            return self._exchange(pool, reading)
        except urllib3.exceptions.SSLError as error:
            return Retry(f"the backend's certificate is not verified: {error}")
        except (urllib3.exceptions.ProtocolError, OSError) as error:
            if fresh:
                return Retry(f"the backend broke the connection: {error}")
        except urllib3.exceptions.HTTPError as error:
            return Retry(f"the backend cannot be reached: {error}")
        pool.close()  # a kept connection that the backend closed meanwhile looks like this: once more, on a new one
        self._local.pool = None
        try:
            return self._exchange(self._pool(), reading)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Retry(f"the backend cannot be reached: {error}")

    def _exchange(self, pool: urllib3.HTTPSConnectionPool, reading: Waiting) -> Outcome:
        response = pool.urlopen(
            "PATCH",
            f"{self._prefix}/api/v1/sensors/{reading.device_id}",
            body=backend_body(reading.device_id, reading.temperature, reading.humidity, reading.light),
            headers={**self._headers, "Idempotency-Key": reading.idempotency_key},
            retries=False,
            redirect=False,
            assert_same_host=False,
        )
        if response.status == 200:
            return Delivered()
        return judge(response.status, response.data.decode("utf-8", "replace"), response.headers.get("Retry-After"))

    def _pool(self) -> urllib3.HTTPSConnectionPool:
        pool: urllib3.HTTPSConnectionPool | None = getattr(self._local, "pool", None)
        if pool is None:
            pool = self._local.pool = urllib3.HTTPSConnectionPool(
                self._host, self._port, maxsize=1, timeout=self._timeout, ssl_context=self._context
            )
        return pool
