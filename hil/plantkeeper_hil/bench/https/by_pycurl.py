"""pycurl's multi interface with several connections at once in one event loop."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plantkeeper_hil.bench.https.clients import HEADERS


def run(port: int, ca: Path, connections: int, duration_s: float, body: Callable[[int], bytes]) -> tuple[int, float]:
    """PATCH over so many connections for so long; messages answered 200, seconds."""
    uvloop: Any = importlib.import_module("uvloop")
    done: tuple[int, float] = uvloop.run(_run(port, ca, connections, duration_s, body))
    return done


async def _run(
    port: int, ca: Path, connections: int, duration_s: float, body: Callable[[int], bytes]
) -> tuple[int, float]:
    pycurl: Any = importlib.import_module("pycurl")
    begin_s = time.monotonic()
    async with pycurl.AsyncCurlMulti() as multi:
        multi.setopt(pycurl.M_MAXCONNECTS, connections)

        async def worker(number: int) -> int:
            done = 0
            curl = pycurl.Curl()
            curl.setopt(pycurl.CAINFO, str(ca))
            curl.setopt(pycurl.CUSTOMREQUEST, "PATCH")
            curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
            curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
            curl.setopt(pycurl.NOSIGNAL, 1)
            curl.setopt(pycurl.TIMEOUT, 10)
            curl.setopt(pycurl.WRITEFUNCTION, len)
            while time.monotonic() - begin_s < duration_s:
                sensor_id = number + 1
                curl.setopt(pycurl.URL, f"https://localhost:{port}/api/v1/sensors/{sensor_id}")
                curl.setopt(pycurl.POSTFIELDS, body(sensor_id))
                await multi.perform(curl)
                done += curl.getinfo(pycurl.RESPONSE_CODE) == 200
            return done

        counts = await asyncio.gather(*(worker(number) for number in range(connections)))
    return sum(counts), time.monotonic() - begin_s
