"""The gateway's server: one process, one event loop; Flask in a few threads."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket

import uvloop

from plantkeeper_proxy import ingest
from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.errors import SchemaError, SettingsError
from plantkeeper_proxy.facts import WAIT_S, FactsReader
from plantkeeper_proxy.gateway import Gateway
from plantkeeper_proxy.health import Limits
from plantkeeper_proxy.http_protocol import Connections
from plantkeeper_proxy.observer import Observer
from plantkeeper_proxy.operations import Operations
from plantkeeper_proxy.refusal_log import EVERY_S, RefusalLog
from plantkeeper_proxy.schema import REVISION, wait_for_schema
from plantkeeper_proxy.settings import GatewaySettings
from plantkeeper_proxy.store import NAME, BatchStore, ReadingStore

GRACEFUL_TIMEOUT_S = 10.0
BACKLOG = 4096
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
    listener = _listener(settings, listen_fd)
    observer = Observer()
    hot, others = BatchStore(settings.database_dsn), ReadingStore(settings.database_dsn)
    asked = ReadingStore(settings.database_dsn, wait_s=WAIT_S)
    batcher = Batcher(observer.counting(hot.store_batch))
    operations = Operations(
        observer=observer,
        reader=FactsReader(asked),
        limits=Limits(REVISION, settings.backlog_alarm_s, settings.forwarder_silent_s),
        status_token=settings.status_token,
        open_connections=lambda: len(connections.open),
    )
    gateway = Gateway(batcher, create_app(others, operations), observer)
    connections = Connections(
        gateway,
        limit=settings.connections,
        refused=lambda answer, address: observer.refused(answer, ingest.said(answer), address=address),
    )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    schema = loop.create_task(wait_for_schema(settings.database_dsn, name=NAME))
    schema.add_done_callback(lambda ended: None if ended.cancelled() or ended.exception() is None else stop.set())
    gc.collect()
    gc.freeze()  # what is there now stays: no later collection needs to look through it
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
        hot.close()
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
