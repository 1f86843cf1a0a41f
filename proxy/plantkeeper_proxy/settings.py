"""All settings, in one table; docs/gateway.md's table is held against it by a test. Pure but for files.

There is no setting that turns the verification of the backend's certificate off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plantkeeper_proxy.device_ranges import DeviceRanges, parse_ranges
from plantkeeper_proxy.redact import hide_password, passwords_of
from plantkeeper_proxy.setting import (
    Setting,
    Sources,
    existing_file,
    https_url,
    master_keys,
    one_of,
    seconds,
    text_of,
    visible_ascii,
    whole,
)
from plantkeeper_proxy.trusted_proxies import TrustedProxies, parse_networks

SERVE, FORWARD = "serve", "forward"
BOTH = (SERVE, FORWARD)
PEM = "the path of a readable PEM file"
KEY = "32 bytes in base64, such as `openssl rand -base64 32` prints; several with commas, the first seals"

DATABASE_DSN = Setting(
    "DATABASE_DSN", BOTH, "libpq connection string or URL", text_of,
    "a connection string such as postgresql://user@host/plantkeeper",
    "The database, its schema made by `plantkeeper-db migrate`", "", required=True, secret=True, mask=hide_password,
)  # fmt: skip
LISTEN_HOST = Setting(
    "LISTEN_HOST", (SERVE,), "IP address", text_of, "an address", "Where boards post to", "127.0.0.1",
)  # fmt: skip
LISTEN_PORT = Setting(
    "LISTEN_PORT", (SERVE,), "TCP port", whole(0, 65535), "0…65535", "Where boards post to; 0 takes a free one", 8080,
)  # fmt: skip
GATEWAY_CONNECTIONS = Setting(
    "GATEWAY_CONNECTIONS", (SERVE,), "connections", whole(1, 100_000), "1…100000",
    "Boards that may be connected at once; one more is answered 503", 2_000,
)  # fmt: skip
SIGNATURES = Setting(
    "SIGNATURES", (SERVE,), "required or legacy", one_of("required", "legacy"), "required or legacy",
    "Whose readings must be signed: everybody's, or everybody's but those of the devices in LEGACY_DEVICES", "required",
)  # fmt: skip
LEGACY_DEVICES = Setting(
    "LEGACY_DEVICES", (SERVE,), "device ids, such as 1-3,7",
    lambda text: parse_ranges("PLANTKEEPER_LEGACY_DEVICES", text), "ids and ranges such as 1-3,7",
    "Devices whose readings are taken unsigned while SIGNATURES is legacy", DeviceRanges(),
)  # fmt: skip
MASTER_KEY: Setting[str | None] = Setting(
    "MASTER_KEY", (SERVE,), "base64", master_keys, KEY,
    "Opens the device keys in the database", None, secret=True,
)  # fmt: skip
STATUS_TOKEN: Setting[str | None] = Setting(
    "STATUS_TOKEN", (SERVE,), "text", visible_ascii(16), "at least 16 visible ASCII characters",
    "Opens the status page; without it there is none", None, secret=True,
)  # fmt: skip
RATE_DEVICE_PER_MINUTE = Setting(
    "RATE_DEVICE_PER_MINUTE", (SERVE,), "readings a minute", whole(0, 1_000_000), "0…1000000, 0 being no limit",
    "Readings that one device may send; more are answered 429", 60,
)  # fmt: skip
RATE_ADDRESS_PER_SECOND = Setting(
    "RATE_ADDRESS_PER_SECOND", (SERVE,), "requests a second", whole(0, 1_000_000), "0…1000000, 0 being no limit",
    "Requests that one address may send; off, since all boards behind one NAT share an address", 0,
)  # fmt: skip
TRUSTED_PROXIES = Setting(
    "TRUSTED_PROXIES", (SERVE,), "networks, such as 172.16.0.0/12",
    lambda text: parse_networks("PLANTKEEPER_TRUSTED_PROXIES", text), "networks such as 172.16.0.0/12,fd00::/8",
    "Proxies whose `X-Forwarded-For` says who sends; whoever is in none of them is the sender", TrustedProxies(),
)  # fmt: skip
DEVICE_SILENT_S = Setting(
    "DEVICE_SILENT_S", (SERVE,), "s", whole(60, 31_536_000), "60…31536000",
    "A known device that sent nothing for so long counts in `plantkeeper_devices_silent`", 1_800,
)  # fmt: skip
BACKLOG_ALARM_S = Setting(
    "BACKLOG_ALARM_S", (SERVE,), "s", whole(1, 31_536_000), "1…31536000",
    "Age of the oldest waiting reading from which on `/readyz` raises an alarm", 900,
)  # fmt: skip
FORWARDER_SILENT_S = Setting(
    "FORWARDER_SILENT_S", (SERVE,), "s", whole(16, 86_400), "16…86400, forwarders reporting every 15 s",
    "A forwarder that said nothing for so long counts as gone", 60,
)  # fmt: skip
BACKEND_URL = Setting(
    "BACKEND_URL", (FORWARD,), "HTTPS URL", https_url,
    "an HTTPS address such as https://backend.example, without user, query or fragment",
    "The backend, without `/api/v1`; nothing but `https://` is accepted", "", required=True,
)  # fmt: skip
BACKEND_CA: Setting[Path | None] = Setting(
    "BACKEND_CA", (FORWARD,), "path of a PEM file", existing_file, PEM,
    "The authority that the backend is verified against; without it the system's", None,
)  # fmt: skip
BACKEND_CLIENT_CERT: Setting[Path | None] = Setting(
    "BACKEND_CLIENT_CERT", (FORWARD,), "path of a PEM file", existing_file, PEM,
    "Certificate and unencrypted key that the backend is shown", None,
)  # fmt: skip
BACKEND_TOKEN: Setting[str | None] = Setting(
    "BACKEND_TOKEN", (FORWARD,), "text", visible_ascii(1), "a token of visible ASCII characters",
    "Bearer token for the backend", None, secret=True,
)  # fmt: skip
BACKEND_TIMEOUT_S = Setting(
    "BACKEND_TIMEOUT_S", (FORWARD,), "s", seconds, "more than 0, at most 300",
    "Longest wait for the backend's answer, all of it", 10.0,
)  # fmt: skip
BACKEND_CONNECTIONS = Setting(
    "BACKEND_CONNECTIONS", (FORWARD,), "connections", whole(1, 1_000), "1…1000",
    "Readings on their way at once, each of another device", 64,
)  # fmt: skip
UNKNOWN_SENSOR_ATTEMPTS = Setting(
    "UNKNOWN_SENSOR_ATTEMPTS", (FORWARD,), "attempts", whole(1, 1_000), "1…1000",
    "Failed attempts after which a reading of a sensor that the backend does not know becomes a dead letter", 12,
)  # fmt: skip
LOG_LEVEL = Setting(
    "LOG_LEVEL", BOTH, "debug, info, warning or error", one_of("debug", "info", "warning", "error"),
    "debug, info, warning or error", "What is logged; readings that were taken are logged at debug only", "info",
)  # fmt: skip
LOG_FORMAT = Setting(
    "LOG_FORMAT", BOTH, "json or text", one_of("json", "text"), "json or text",
    "Log lines for machines or for people", "json",
)  # fmt: skip

SETTINGS: tuple[Setting[Any], ...] = (
    DATABASE_DSN, LISTEN_HOST, LISTEN_PORT, GATEWAY_CONNECTIONS, SIGNATURES, LEGACY_DEVICES, MASTER_KEY, STATUS_TOKEN,
    RATE_DEVICE_PER_MINUTE, RATE_ADDRESS_PER_SECOND, TRUSTED_PROXIES, DEVICE_SILENT_S, BACKLOG_ALARM_S,
    FORWARDER_SILENT_S, BACKEND_URL, BACKEND_CA, BACKEND_CLIENT_CERT, BACKEND_TOKEN, BACKEND_TIMEOUT_S,
    BACKEND_CONNECTIONS, UNKNOWN_SENSOR_ATTEMPTS, LOG_LEVEL, LOG_FORMAT,
)  # fmt: skip


@dataclass(frozen=True)
class LogSettings:
    """How to log.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `json` or `text`.
        secrets: what must never be in a line.
    """

    level: str
    format: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class GatewaySettings:
    """What `serve` needs.

    Args:
        database_dsn: libpq connection string or URL.
        listen_host, listen_port: where boards post to.
        connections: boards that may be connected at once.
        signatures: `required` or `legacy`.
        legacy_devices: whose readings are taken unsigned where signatures is `legacy`.
        master_key: opens device keys; text as set, of 32 bytes in base64, several with commas; None where not set.
        status_token: opens the status page; None: there is none.
        rate_device_per_minute, rate_address_per_second: 0 is no limit.
        trusted_proxies: whose word about a sender's address is taken.
        device_silent_s: a known device that sent nothing for so long counts as silent.
        backlog_alarm_s: age of the oldest waiting reading that is worth an alarm.
        forwarder_silent_s: a forwarder that said nothing for so long counts as gone.
    """

    database_dsn: str = field(repr=False)
    listen_host: str
    listen_port: int
    connections: int
    signatures: str
    legacy_devices: DeviceRanges
    master_key: str | None = field(repr=False)
    status_token: str | None = field(repr=False)
    rate_device_per_minute: int
    rate_address_per_second: int
    trusted_proxies: TrustedProxies
    device_silent_s: int
    backlog_alarm_s: int
    forwarder_silent_s: int


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

    database_dsn: str = field(repr=False)
    backend_url: str
    backend_ca: Path | None
    backend_client_certificate: Path | None
    backend_token: str | None = field(repr=False)
    backend_timeout_s: float
    connections: int
    unknown_sensor_attempts: int


def gateway_settings(environment: Mapping[str, str]) -> GatewaySettings:
    """Read the settings of `serve`.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    read = Sources(environment, SETTINGS).read
    return GatewaySettings(
        database_dsn=read(DATABASE_DSN),
        listen_host=read(LISTEN_HOST),
        listen_port=read(LISTEN_PORT),
        connections=read(GATEWAY_CONNECTIONS),
        signatures=read(SIGNATURES),
        legacy_devices=read(LEGACY_DEVICES),
        master_key=read(MASTER_KEY),
        status_token=read(STATUS_TOKEN),
        rate_device_per_minute=read(RATE_DEVICE_PER_MINUTE),
        rate_address_per_second=read(RATE_ADDRESS_PER_SECOND),
        trusted_proxies=read(TRUSTED_PROXIES),
        device_silent_s=read(DEVICE_SILENT_S),
        backlog_alarm_s=read(BACKLOG_ALARM_S),
        forwarder_silent_s=read(FORWARDER_SILENT_S),
    )


def forwarder_settings(environment: Mapping[str, str]) -> ForwarderSettings:
    """Read the settings of `forward`.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    read = Sources(environment, SETTINGS).read
    return ForwarderSettings(
        database_dsn=read(DATABASE_DSN),
        backend_url=read(BACKEND_URL),
        backend_ca=read(BACKEND_CA),
        backend_client_certificate=read(BACKEND_CLIENT_CERT),
        backend_token=read(BACKEND_TOKEN),
        backend_timeout_s=read(BACKEND_TIMEOUT_S),
        connections=read(BACKEND_CONNECTIONS),
        unknown_sensor_attempts=read(UNKNOWN_SENSOR_ATTEMPTS),
    )


def log_settings(environment: Mapping[str, str]) -> LogSettings:
    """Read how to log.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    sources = Sources(environment, SETTINGS)
    return LogSettings(level=sources.read(LOG_LEVEL), format=sources.read(LOG_FORMAT), secrets=_secrets(sources))


def _secrets(sources: Sources) -> tuple[str, ...]:
    """Every secret that is set, whole and in its parts: of a connection string its passwords alone."""
    secrets: list[str] = []
    for setting in SETTINGS:
        found = sources.find(setting) if setting.secret else None
        if found is None:
            continue
        parts = passwords_of(found.text) if setting is DATABASE_DSN else (found.text, *found.text.split(","))
        secrets += [part.strip() for part in parts if part.strip()]
    return tuple(dict.fromkeys(secrets))
