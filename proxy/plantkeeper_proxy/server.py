"""The gateway's server: one process, one event loop; Flask in a few threads."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time

import uvloop

from plantkeeper_proxy import garbage, ingest
from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import REQUIRED, policy
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.descriptors import affordable, raise_limit
from plantkeeper_proxy.errors import SchemaError, SettingsError
from plantkeeper_proxy.facts import WAIT_S, FactsReader
from plantkeeper_proxy.gateway import Gateway
from plantkeeper_proxy.health import Limits
from plantkeeper_proxy.http_protocol import Connections
from plantkeeper_proxy.ingest import Door
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.limits import HttpLimits
from plantkeeper_proxy.observer import Observer
from plantkeeper_proxy.operations import Operations
from plantkeeper_proxy.rates import Rates
from plantkeeper_proxy.refusal_log import EVERY_S, RefusalLog
from plantkeeper_proxy.schema import REVISION, wait_for_schema
from plantkeeper_proxy.settings import GatewaySettings
from plantkeeper_proxy.store import NAME, BatchStore, ReadingStore
from plantkeeper_proxy.vault import VARIABLE as MASTER_KEY_VARIABLE
from plantkeeper_proxy.vault import Vault, master_keys

GRACEFUL_TIMEOUT_S = 10.0
BACKLOG = 4096
# what the kernel keeps for a connection, doubled by it: requests are small, and a peer that reads no answers must not
# hold more than this
RECEIVE_BUFFER_BYTES = 16_384
SEND_BUFFER_BYTES = 65_536
log = logging.getLogger(__name__)
SCHEMA_PATIENCE_S = 1.0  # so long boards wait, not yet connected, for the first look at the schema


def run(settings: GatewaySettings, listen_fd: int | None) -> None:
    """Serve until SIGTERM or SIGINT; requests that were begun are finished.

    Args:
        settings: of the gateway.
        listen_fd: descriptor of a listening socket that was inherited; None: listen on the settings' host and port.

    Raises:
        SettingsError: the address cannot be listened on.
        SchemaError: the database has another schema than is needed.
    """
    uvloop.run(_serve(settings, listen_fd))


def _vault(settings: GatewaySettings) -> Vault:
    """What opens the keys that devices sign with.

    Raises:
        SettingsError: there is no master key, and readings must be signed.
    """
    if settings.master_key is not None:
        return Vault(master_keys({MASTER_KEY_VARIABLE: settings.master_key}))
    if settings.signatures == REQUIRED:
        raise SettingsError(
            f"{MASTER_KEY_VARIABLE} is not set, without which no signature can be checked; expected 32 bytes in "
            "base64, such as `openssl rand -base64 32` prints, or PLANTKEEPER_SIGNATURES=legacy"
        )
    return Vault.without_keys()


def _limits(connections: int) -> HttpLimits:
    """Limits that the process can keep, and a word where it cannot hold as many connections as it should."""
    descriptors = raise_limit()
    limits = HttpLimits(connections=affordable(connections, HttpLimits().lingering, descriptors))
    if limits.connections < connections:
        log.warning(
            "can hold %d connections, not %d: at most %d files may be open (ulimit -n)",
            limits.connections,
            connections,
            descriptors,
        )
    return limits


def limit_buffers(listener: socket.socket) -> None:
    """Bound what the kernel keeps for each connection of a listening socket."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _listener(settings: GatewaySettings, listen_fd: int | None) -> socket.socket:
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
        listener.listen(BACKLOG)  # again, with a longer queue than the parent may have asked for
        return listener
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    try:
        return socket.create_server((settings.listen_host, settings.listen_port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on PLANTKEEPER_LISTEN_HOST {settings.listen_host!r}, PLANTKEEPER_LISTEN_PORT "
            f"{settings.listen_port}: {error.strerror or error}; choose another, or end what listens there"
        ) from error


async def _serve(settings: GatewaySettings, listen_fd: int | None) -> None:
    vault = _vault(settings)
    listener = _listener(settings, listen_fd)
    limit_buffers(listener)
    observer = Observer()
    hot = BatchStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    others = ReadingStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    asked = ReadingStore(settings.database_dsn, wait_s=WAIT_S)
    batcher = Batcher(observer.counting(hot.store_batch))
    rates = Rates(
        device_per_minute=settings.rate_device_per_minute, address_per_second=settings.rate_address_per_second
    )
    door = Door(rates, policy(settings.signatures, settings.legacy_devices))
    operations = Operations(
        observer=observer,
        reader=FactsReader(asked, device_silent_s=settings.device_silent_s),
        limits=Limits(REVISION, settings.backlog_alarm_s, settings.forwarder_silent_s),
        status_token=settings.status_token,
        open_connections=lambda: len(connections.open),
    )
    application = create_app(others, door, operations)
    gateway = Gateway(batcher, application, door, observer, trusted_proxies=settings.trusted_proxies)
    connections = Connections(
        gateway,
        limits=_limits(settings.connections),
        told=lambda answer, address: observer.refused(answer, ingest.said(answer), address=address),
    )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    schema = loop.create_task(wait_for_schema(settings.database_dsn, name=NAME))
    schema.add_done_callback(lambda ended: None if ended.cancelled() or ended.exception() is None else stop.set())
    garbage.settle()
    server = await _listen(loop, connections, listener, schema)
    sweeps = loop.create_task(_sweep(observer.refusals))
    try:
        await stop.wait()
        if schema.done():
            schema.result()  # raises where the schema is another
    finally:
        sweeps.cancel()
        schema.cancel()
        server.close()
        await connections.drain(GRACEFUL_TIMEOUT_S)
        await batcher.close()
        gateway.close()
        await hot.end()
        others.close()
        asked.close()


async def _listen(
    loop: asyncio.AbstractEventLoop, connections: Connections, listener: socket.socket, schema: asyncio.Task[None]
) -> asyncio.Server:
    """Take connections once the schema is known to be right, or the database is known not to answer soon.

    Raises:
        SchemaError: the schema is another than is needed; nobody was answered.
    """
    await asyncio.wait([schema], timeout=SCHEMA_PATIENCE_S)
    if schema.done():
        try:
            schema.result()
        except SchemaError:
            listener.close()
            raise
    return await loop.create_server(connections, sock=listener, backlog=BACKLOG)


async def _sweep(refusals: RefusalLog) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        refusals.sweep()
