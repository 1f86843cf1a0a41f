"""The forwarder's process: settings in, a `Forwarder` that runs until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import Callable

import uvloop

from plantkeeper_proxy import garbage
from plantkeeper_proxy.forward import Forwarder
from plantkeeper_proxy.outbox import Outbox
from plantkeeper_proxy.schema import wait_for_schema
from plantkeeper_proxy.settings import ForwarderSettings
from plantkeeper_proxy.upstream import Trust, Upstream

NAME = "plantkeeper-forwarder"


def run(settings: ForwarderSettings, ready: Callable[[], None]) -> None:
    """Forward until SIGTERM or SIGINT.

    Args:
        settings: of the forwarder.
        ready: called once the outbox is watched, and after each report, every 15 s.

    Raises:
        SettingsError: a file that the settings name cannot be used.
        SchemaError: the database has another schema than is needed.
    """
    garbage.settle()
    uvloop.run(_run(settings, ready))


async def _run(settings: ForwarderSettings, ready: Callable[[], None]) -> None:
    owner = f"{socket.gethostname()}-{os.getpid()}-{random.SystemRandom().randrange(1 << 32):08x}"
    upstream = Upstream(
        settings.backend_url,
        trust=Trust(settings.backend_ca, settings.backend_client_certificate),
        token=settings.backend_token,
        timeout_s=settings.backend_timeout_s,
        connections=settings.connections,
    )
    forwarder = Forwarder(
        lambda news, lost: Outbox.open(settings.database_dsn, owner, news=news, lost=lost),
        upstream,
        connections=settings.connections,
        unknown_sensor_attempts=settings.unknown_sensor_attempts,
        random=random.Random().random,  # seeded by the system; asking it each time costs a call a message
        ready=ready,
    )
    schema = asyncio.create_task(wait_for_schema(settings.database_dsn, name=NAME))

    def stop() -> None:
        forwarder.stop()
        schema.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await asyncio.wait([schema])
        if not schema.cancelled():
            schema.result()  # raises where the schema is another
            await forwarder.run()
    finally:
        upstream.close()
