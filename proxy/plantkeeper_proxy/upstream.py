"""One reading to the backend over verified HTTPS, over kept connections. Only sends; `delivery.judge` judges.

Over aiohttp: why not requests or urllib3, docs/decisions/0007-forwarding.md.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from plantkeeper_proxy.delivery import Outcome, Retry, Waiting, judge
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.message import backend_body

CONNECT_TIMEOUT_S = 5.0
IDLE_S = 4.0  # the backend closes idle connections after 5 s: ours are closed first
ANSWER_LIMIT = 1 << 20
CERTIFICATE_LOOK_EVERY_S = 60.0


def verifying_context(ca: Path | None, client_certificate: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and host name verified.

    Args:
        ca: authority that the backend is verified against; None: the system's.
        client_certificate: PEM file with our own certificate and its key, or None.

    Raises:
        SettingsError: a file is no such PEM file.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"PLANTKEEPER_BACKEND_CA is {str(ca)!r}: not a PEM file of certificates ({error})"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_certificate is not None:
        try:
            context.load_cert_chain(client_certificate)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"PLANTKEEPER_BACKEND_CLIENT_CERT is {str(client_certificate)!r}: expected a PEM file with a "
                f"certificate and its unencrypted key ({error})"
            ) from error
    return context


class Upstream:
    """The backend. To be made, used and closed within one event loop.

    Args:
        url: https://…, without /api/v1.
        context: from `verifying_context`.
        token: bearer token, or None.
        timeout_s: longest wait for an answer, all of it: connecting, sending, reading.
        connections: kept at most.
    """

    def __init__(
        self,
        url: str,
        *,
        context: ssl.SSLContext,
        token: str | None,
        timeout_s: float,
        connections: int,
        epoch_s: Callable[[], float] = time.time,
    ) -> None:
        if not url.startswith("https://"):
            raise SettingsError(f"PLANTKEEPER_BACKEND_URL is {url!r}: expected https://…")
        self._sensors = f"{url.rstrip('/')}/api/v1/sensors/"
        self._epoch_s = epoch_s
        self.timeout_s = timeout_s
        self.certificate_expires_s: float | None = None
        self._look_at_s = 0.0
        headers = {"Content-Type": "application/json", "User-Agent": "PlantKeeper-Gateway"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=connections, keepalive_timeout=IDLE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # no proxy and no netrc from the environment
            auto_decompress=False,
        )

    async def send(self, reading: Waiting) -> Outcome:
        """Send a reading and wait for the answer, at most `timeout_s`; whatever happens is an outcome."""
        try:
            async with asyncio.timeout(self.timeout_s):
                try:
                    return await self._exchange(reading)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if isinstance(error, aiohttp.ClientConnectorError):
                        raise
                # a kept connection that the backend closed meanwhile looks like this: once more, on another
                return await self._exchange(reading)
        except TimeoutError:
            return Retry(f"the backend did not answer within {self.timeout_s:g} s")
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            return Retry(f"the backend's certificate or its TLS is refused: {error}", untrusted=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(f"the backend cannot be reached, or broke off: {str(error) or type(error).__name__}")

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _exchange(self, reading: Waiting) -> Outcome:
        async with self._session.patch(
            f"{self._sensors}{reading.device_id}",
            data=backend_body(reading.device_id, reading.temperature, reading.humidity, reading.light),
            headers={"Idempotency-Key": reading.idempotency_key},
            allow_redirects=False,
        ) as response:
            self._look_at_certificate(response)
            body = b""
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    response.close()
                    return Retry(f"the backend's answer is over {ANSWER_LIMIT} bytes")
            return judge(response.status, body, response.headers.get("Retry-After"), epoch_s=self._epoch_s())

    def _look_at_certificate(self, response: aiohttp.ClientResponse) -> None:
        """Keep in mind when the backend's certificate ends; a look now and then is enough."""
        now_s = self._epoch_s()
        connection = response.connection
        if now_s < self._look_at_s or connection is None or connection.transport is None:
            return
        self._look_at_s = now_s + CERTIFICATE_LOOK_EVERY_S
        certificate: dict[str, Any] = connection.transport.get_extra_info("peercert") or {}
        if "notAfter" in certificate:
            self.certificate_expires_s = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
