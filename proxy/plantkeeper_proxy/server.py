"""The gateway's server: one process, one event loop; Flask in a few threads."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import uvloop

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.gateway import Gateway
from plantkeeper_proxy.http_protocol import Connections
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.settings import GatewaySettings
from plantkeeper_proxy.store import BatchStore, ReadingStore
from plantkeeper_proxy.vault import Vault

GRACEFUL_TIMEOUT_S = 10.0
BACKLOG = 4096


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
    hot = BatchStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    others = ReadingStore(settings.database_dsn, KeyRing(vault, monotonic_s=time.monotonic))
    batcher = Batcher(hot.store_batch)
    gateway = Gateway(batcher, policy, create_app(others, policy))
    connections = Connections(gateway, limit=settings.connections)
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
