"""`python -m plantkeeper_hil.bench.https --out FILE`: messages a second and CPU µs a message, by client library.

One Python process, kept verified connections, the quick nginx backend of the gateway's benchmark; one connection, and
as many threads with a connection each as `CONNECTIONS` says. Rounds of all in turn, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plantkeeper_hil.bench.gateway.errors import BenchError
from plantkeeper_hil.bench.gateway.place import Site
from plantkeeper_hil.bench.https import by_aiohttp, by_pycurl, clients
from plantkeeper_hil.errors import HilError

CONNECTIONS = (1, 4)
AT_ONCE = (1, 16)  # in one event loop
Load = Callable[[], tuple[int, float]]


@dataclass(frozen=True)
class Figure:
    """What a client reaches.

    Args:
        connections: kept at once; with blocking clients, each in a thread.
        cpu_us_per_message: of this process, user and system time.
    """

    client: str
    connections: int
    messages_per_s: float
    cpu_us_per_message: float


def body(sensor_id: int) -> bytes:
    """What the gateway sends."""
    return b'{"id":%d,"temperature":21.5,"humidity":40,"light":900}' % sensor_id


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where the backend cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_hil.bench.https", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench/https.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration-s", type=float, default=2.0)
    options = parser.parse_args(arguments)
    rounds: list[list[Figure]] = []
    try:
        with Site(options.out.parent / "https-logs", options.out.parent / "cache") as site, site.backend() as backend:
            loads = all_loads(backend.target.port, backend.target.ca, options.duration_s)
            for number in range(1, options.rounds + 1):
                print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
                rounds.append([measure(*load) for load in loads])
    except HilError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result = medians(rounds)
    options.out.write_text(json.dumps([asdict(figure) for figure in result], indent=2) + "\n")
    Console().print(table(result))
    return 0


def all_loads(port: int, ca: Path, duration_s: float) -> list[tuple[str, int, Load]]:
    """Client, connections and what to call, for each library that is installed."""
    found: list[tuple[str, int, Load]] = []
    for name, client in clients.BLOCKING.items():
        if clients.present(name):
            found += [(name, n, partial(threads, client, port, ca, n, duration_s)) for n in CONNECTIONS]
    for name, run in (("aiohttp", by_aiohttp.run), ("pycurl", by_pycurl.run)):
        if clients.present(name) and clients.present("uvloop"):
            found += [(f"{name}, asyncio", n, partial(run, port, ca, n, duration_s, body)) for n in AT_ONCE]
    return found


def threads(
    client: Callable[..., object], port: int, ca: Path, connections: int, duration_s: float
) -> tuple[int, float]:
    """A blocking client in so many threads; messages answered 200, seconds.

    Raises:
        BenchError: a message was not answered 200.
    """
    counts: list[int] = []
    errors: list[str] = []
    begin_s = time.monotonic()

    def work(number: int) -> None:
        done = 0
        try:
            with client(port, ca) as send:  # type: ignore[attr-defined] # a context manager
                while time.monotonic() - begin_s < duration_s:
                    status = send(number + 1, body(number + 1))
                    if status != 200:
                        errors.append(f"status {status}")
                        return
                    done += 1
        except Exception as error:  # whatever it is, the benchmark must not print a figure of half its threads
            errors.append(repr(error))
        counts.append(done)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise BenchError(f"{client.__name__}: {errors[0]}")
    return sum(counts), time.monotonic() - begin_s


def measure(name: str, connections: int, load: Load) -> Figure:
    """One client, once.

    Raises:
        BenchError: nothing was answered.
    """
    before = os.times()
    done, elapsed_s = load()
    after = os.times()
    if not done:
        raise BenchError(f"{name}: the backend answered nothing with 200")
    used_s = after.user + after.system - before.user - before.system
    return Figure(name, connections, done / elapsed_s, used_s / done * 1e6)


def medians(rounds: Sequence[Sequence[Figure]]) -> list[Figure]:
    """Of each figure over the rounds."""
    return [
        Figure(
            same[0].client,
            same[0].connections,
            statistics.median(figure.messages_per_s for figure in same),
            statistics.median(figure.cpu_us_per_message for figure in same),
        )
        for same in zip(*rounds, strict=True)
    ]


def table(figures: Sequence[Figure]) -> Table:
    """For people."""
    shown = Table(title="HTTPS PATCH from one Python process", title_justify="left")
    for heading in ("client", "connections", "messages/s", "CPU µs a message"):
        shown.add_column(heading, justify="left" if heading == "client" else "right")
    for figure in figures:
        shown.add_row(
            figure.client,
            str(figure.connections),
            f"{figure.messages_per_s:,.0f}",
            f"{figure.cpu_us_per_message:.0f}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
