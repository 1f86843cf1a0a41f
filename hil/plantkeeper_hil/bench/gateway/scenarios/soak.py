"""(f) Memory over time at 200 readings a second: it must be flat."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from plantkeeper_hil.bench.gateway.bench import Bench
from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.measure import pss_mb
from plantkeeper_hil.bench.gateway.open_loop import open_loop
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe
from plantkeeper_hil.bench.gateway.scenarios.offered import RATE_PER_S

SCENARIO = "soak at 200/s"
SAMPLE_S = 2.0


def growth(samples: Sequence[tuple[float, float]]) -> float:
    """Last quarter's median over the second quarter's; the first quarter is warming up.

    Args:
        samples: (seconds, MiB), at least 4.
    """
    quarter = len(samples) // 4
    early = statistics.median(size for _, size in samples[quarter : 2 * quarter])
    late = statistics.median(size for _, size in samples[-quarter:])
    return late / early


def run(bench: Bench) -> list[Row]:
    """Ours alone; samples of its processes' memory go to the JSON."""
    with bench.site.backend() as backend, bench.entrants(backend, [bench.ours]) as [ours]:
        samples: list[tuple[float, float]] = []
        over = threading.Event()
        begin_s = time.monotonic()

        def sample() -> None:
            while not over.wait(SAMPLE_S):
                samples.append(
                    (time.monotonic() - begin_s, pss_mb(ours.running.services.values(), but=ours.running.observers))
                )

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            given = bench.posting(ours)
            load = partial(
                open_loop,
                bench.open_loop,
                ours.running.port,
                given,
                rate_per_s=RATE_PER_S,
                duration_s=bench.plan.soak_s,
            )
            row = observe(SCENARIO, ours.running, backend, given, boards=0, load=load)
        finally:
            over.set()
            sampler.join()
        bench.say(describe(row, f"{bench.plan.soak_s:.0f} s"))
        extra = {
            "pss_mb_samples": [[round(at_s, 1), round(size_mb, 2)] for at_s, size_mb in samples],
            "pss_mb_max": max(size_mb for _, size_mb in samples),
            "pss_growth": growth(samples),
        }
        return [replace(row, extra={**row.extra, **extra})]
