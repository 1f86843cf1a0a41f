"""The gateway's server: one process, one event loop; Flask in a few threads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping

import uvloop

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.descriptors import affordable, raise_limit
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.gateway import Gateway
from plantkeeper_proxy.http_protocol import Connections
from plantkeeper_proxy.ingest import Door
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.limits import HttpLimits
from plantkeeper_proxy.rates import ADDRESS_PER_SECOND, DEVICE_PER_MINUTE, Rates
from plantkeeper_proxy.settings import GatewaySettings
from plantkeeper_proxy.store import BatchStore, ReadingStore
from plantkeeper_proxy.vault import Vault

GRACEFUL_TIMEOUT_S = 10.0
BACKLOG = 4096
# what the kernel keeps for a connection, doubled by it: requests are small, and a peer that reads no answers must not
# hold more than this
RECEIVE_BUFFER_BYTES = 16_384
SEND_BUFFER_BYTES = 65_536
log = logging.getLogger(__name__)


def run(settings: GatewaySettings, listen_fd: int | None, *, policy: Policy, vault: Vault) -> None:
    """Serve until SIGTERM or SIGINT; requests that were begun are finished.

    Args:
        settings: of the gateway.
        policy: who must sign.
        vault: opens the keys that devices sign with.
        listen_fd: descriptor of a listening socket that was inherited; None: listen on the settings' host and port.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    uvloop.run(_serve(settings, listen_fd, policy, vault))


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


def rates(environment: Mapping[str, str]) -> Rates:
    """How often boards may send."""
    return Rates(
        device_per_minute=int(environment.get("PLANTKEEPER_RATE_DEVICE_PER_MINUTE", DEVICE_PER_MINUTE)),
        address_per_second=int(environment.get("PLANTKEEPER_RATE_ADDRESS_PER_SECOND", ADDRESS_PER_SECOND)),
    )


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


async def _serve(settings: GatewaySettings, listen_fd: int | None, policy: Policy, vault: Vault) -> None:
    listener = _listener(settings, listen_fd)
    limit_buffers(listener)
    hot = BatchStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    others = ReadingStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    batcher = Batcher(hot.store_batch)
    door = Door(rates(os.environ), policy)
    gateway = Gateway(batcher, create_app(others, door), door)
    connections = Connections(gateway, limits=_limits(settings.connections))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(connections, sock=listener, backlog=BACKLOG)
    try:
        await stop.wait()
    finally:
        server.close()
        await connections.drain(GRACEFUL_TIMEOUT_S)
        await batcher.close()
        gateway.close()
        hot.close()
        others.close()
