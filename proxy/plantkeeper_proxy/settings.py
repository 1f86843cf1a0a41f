"""Settings, from environment variables; docs/gateway.md lists them. Pure.

There is no setting that turns the verification of the backend's certificate off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from plantkeeper_proxy.errors import SettingsError

PREFIX = "PLANTKEEPER_"
T = TypeVar("T")


@dataclass(frozen=True)
class GatewaySettings:
    """What `serve` needs.

    Args:
        database_dsn: libpq connection string or URL.
        listen_host, listen_port: where boards post to.
        connections: boards that may be connected at once.
    """

    database_dsn: str
    listen_host: str
    listen_port: int
    connections: int


@dataclass(frozen=True)
class ForwarderSettings:
    """What `forward` needs.

    Args:
        database_dsn: libpq connection string or URL.
        backend_url: https://…, without /api/v1.
        backend_ca: PEM file of the authority that the backend is verified against; None: the system's.
        backend_token: bearer token; None sends none.
        backend_client_certificate: PEM file with the certificate and key that we show the backend; None shows none.
        backend_timeout_s: longest wait for an answer.
        connections: requests to the backend at once, each for another device.
        unknown_sensor_attempts: failed attempts after which a reading of a sensor that the backend does not know is
            parked.
    """

    database_dsn: str
    backend_url: str
    backend_ca: Path | None
    backend_client_certificate: Path | None
    backend_token: str | None
    backend_timeout_s: float
    connections: int
    unknown_sensor_attempts: int


def gateway_settings(environment: Mapping[str, str]) -> GatewaySettings:
    """Read the settings of `serve`.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    read = _Reader(environment)
    return GatewaySettings(
        database_dsn=read.required("DATABASE_DSN", "a connection string such as postgresql://user@host/plantkeeper"),
        listen_host=read.optional("LISTEN_HOST", str, "127.0.0.1", "an address"),
        listen_port=read.optional("LISTEN_PORT", _whole(0, 65535), 8080, "0…65535"),
        connections=read.optional("GATEWAY_CONNECTIONS", _whole(1, 100_000), 2_000, "1…100000"),
    )


def forwarder_settings(environment: Mapping[str, str]) -> ForwarderSettings:
    """Read the settings of `forward`.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    read = _Reader(environment)
    url = "an HTTPS address such as https://backend.example, without user, query or fragment"
    return ForwarderSettings(
        database_dsn=read.required("DATABASE_DSN", "a connection string such as postgresql://user@host/plantkeeper"),
        backend_url=read.convert("BACKEND_URL", read.required("BACKEND_URL", url), _https_url, url),
        backend_ca=read.optional("BACKEND_CA", _existing_file, None, "the path of a readable PEM file"),
        backend_client_certificate=read.optional(
            "BACKEND_CLIENT_CERT", _existing_file, None, "the path of a readable PEM file"
        ),
        backend_token=read.optional("BACKEND_TOKEN", _token, None, "a token of visible ASCII characters"),
        backend_timeout_s=read.optional("BACKEND_TIMEOUT_S", _seconds, 10.0, "more than 0, at most 300"),
        connections=read.optional("BACKEND_CONNECTIONS", _whole(1, 1_000), 64, "1…1000"),
        unknown_sensor_attempts=read.optional("UNKNOWN_SENSOR_ATTEMPTS", _whole(1, 1_000), 12, "1…1000"),
    )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def required(self, name: str, expected: str) -> str:
        value = self._environment.get(PREFIX + name, "").strip()
        if not value:
            raise SettingsError(f"{PREFIX}{name} is not set; expected {expected}")
        return value

    def optional(self, name: str, convert: Callable[[str], T], default: T | None, expected: str) -> T:
        value = self._environment.get(PREFIX + name, "").strip()
        return self.convert(name, value, convert, expected) if value else default  # type: ignore[return-value] # T

    def convert(self, name: str, value: str, convert: Callable[[str], T], expected: str) -> T:
        try:
            return convert(value)
        except ValueError as error:
            shown = "(hidden)" if "TOKEN" in name else repr(value)
            raise SettingsError(f"{PREFIX}{name} is {shown}: expected {expected}") from error


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return convert


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 < value <= 300):
        raise ValueError(text)
    return value


def _https_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(text)
    _ = parts.port  # raises ValueError where it is no port
    return text.rstrip("/")


def _existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(text)
    return path


def _token(text: str) -> str:
    if not all("!" <= character <= "~" for character in text):
        raise ValueError(text)
    return text
