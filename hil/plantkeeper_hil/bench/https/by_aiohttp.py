"""aiohttp with several connections at once in one event loop; only where it is installed."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plantkeeper_hil.bench.https.clients import HEADERS, context


def run(port: int, ca: Path, connections: int, duration_s: float, body: Callable[[int], bytes]) -> tuple[int, float]:
    """PATCH over so many connections for so long; messages answered 200, seconds."""
    uvloop: Any = importlib.import_module("uvloop")
    done: tuple[int, float] = uvloop.run(_run(port, ca, connections, duration_s, body))
    return done


async def _run(
    port: int, ca: Path, connections: int, duration_s: float, body: Callable[[int], bytes]
) -> tuple[int, float]:
    aiohttp: Any = importlib.import_module("aiohttp")
    connector = aiohttp.TCPConnector(ssl=context(ca), limit=connections)
    begin_s = time.monotonic()
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def worker(number: int) -> int:
            done = 0
            while time.monotonic() - begin_s < duration_s:
                sensor_id = number + 1
                url = f"https://localhost:{port}/api/v1/sensors/{sensor_id}"
                async with session.patch(url, data=body(sensor_id), allow_redirects=False) as answer:
                    await answer.read()
                    done += answer.status == 200
            return done

        counts = await asyncio.gather(*(worker(number) for number in range(connections)))
    return sum(counts), time.monotonic() - begin_s
