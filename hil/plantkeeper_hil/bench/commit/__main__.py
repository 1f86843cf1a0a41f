"""`python -m plantkeeper_hil.bench.commit --out FILE`: what durability costs, with and without sharing a commit.

A reading is a row and its outbox entry; PostgreSQL is durable (fsync, synchronous_commit). Rounds of all ways in turn,
medians; CPU seconds are PostgreSQL's own and those of this client.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.table import Table

from plantkeeper_hil.bench.commit import ways
from plantkeeper_hil.bench.gateway.measure import cpu_s
from plantkeeper_hil.stack.postgres import Postgres

CONNECTIONS = (1, 8, 32)
DELAYS_US = (0, 200, 500, 1000, 2000)
BATCHES = (10, 64, 100, 500)
WIDTH = 110
Way = Callable[[str], tuple[int, float]]


@dataclass(frozen=True)
class Figure:
    """What a way of committing reaches.

    Args:
        way: `single`, `arrays` or `copy`.
        size: connections, or readings in a batch.
        commit_delay_us: PostgreSQL's setting.
        postgres_cpu_s_per_10k, client_cpu_s_per_10k: CPU seconds for 10 000 readings.
    """

    way: str
    size: int
    commit_delay_us: int
    readings_per_s: float
    postgres_cpu_s_per_10k: float
    client_cpu_s_per_10k: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_hil.bench.commit", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench/commit.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration-s", type=float, default=1.0)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rounds: list[list[Figure]] = []
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        postgres = Postgres(Path(folder) / "pg", log_dir=Path(folder))
        postgres.start()
        try:
            dsn = postgres.create_database()
            with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
                cursor.execute(ways.TABLES)
            for number in range(1, options.rounds + 1):
                print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
                rounds.append([measure(dsn, postgres.pid, named, way) for named, way in all_ways(options.duration_s)])
        finally:
            postgres.stop()
    result = medians(rounds)
    options.out.write_text(json.dumps([asdict(figure) for figure in result], indent=2) + "\n")
    Console(width=max(Console().width, WIDTH)).print(table(result))
    return 0


def all_ways(duration_s: float) -> list[tuple[tuple[str, int, int], Way]]:
    """Name, size, commit_delay and what to call, for each."""
    found: list[tuple[tuple[str, int, int], Way]] = []
    for connections in CONNECTIONS:
        for delay_us in DELAYS_US if connections > 1 else DELAYS_US[:1]:
            way = partial(ways.singly, connections=connections, duration_s=duration_s, commit_delay_us=delay_us)
            found.append((("single", connections, delay_us), way))
    for name, function in (("arrays", ways.by_arrays), ("copy", ways.by_copy)):
        found += [((name, size, 0), partial(function, size=size, duration_s=duration_s)) for size in BATCHES]
    return found


def measure(dsn: str, postgres_pid: int, named: tuple[str, int, int], way: Way) -> Figure:
    """One way, once.

    Args:
        named: way, size and commit_delay in µs.
    """
    postgres_s, client_s = cpu_s([postgres_pid]), _own_cpu_s()
    done, elapsed_s = way(dsn)
    scale = 10_000 / done
    return Figure(
        *named,
        done / elapsed_s,
        (cpu_s([postgres_pid]) - postgres_s) * scale,
        (_own_cpu_s() - client_s) * scale,
    )


def medians(rounds: Sequence[Sequence[Figure]]) -> list[Figure]:
    """Of each figure over the rounds."""
    return [
        Figure(
            same[0].way,
            same[0].size,
            same[0].commit_delay_us,
            statistics.median(figure.readings_per_s for figure in same),
            statistics.median(figure.postgres_cpu_s_per_10k for figure in same),
            statistics.median(figure.client_cpu_s_per_10k for figure in same),
        )
        for same in zip(*rounds, strict=True)
    ]


def table(figures: Sequence[Figure]) -> Table:
    """For people."""
    shown = Table(title="readings committed durably", title_justify="left")
    headings = (
        "way",
        "connections or batch",
        "commit_delay µs",
        "readings/s",
        "PostgreSQL CPU s/10k",
        "client CPU s/10k",
    )
    for heading in headings:
        shown.add_column(heading, justify="left" if heading == "way" else "right")
    for figure in figures:
        shown.add_row(
            figure.way,
            str(figure.size),
            str(figure.commit_delay_us),
            f"{figure.readings_per_s:,.0f}",
            f"{figure.postgres_cpu_s_per_10k:.2f}",
            f"{figure.client_cpu_s_per_10k:.2f}",
        )
    return shown


def _own_cpu_s() -> float:
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    sys.exit(main())
