"""(e) A backlog after an outage: how quickly it drains while new readings are accepted at full speed.

Watched for a bounded time, since draining 1 000 000 readings takes minutes; the rate is that of the first part, where
the backlog is largest. `--drain-s` watches longer.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from plantkeeper_hil.bench.gateway import backlog
from plantkeeper_hil.bench.gateway.bench import BOARDS, Bench
from plantkeeper_hil.bench.gateway.errors import BenchError
from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe
from plantkeeper_hil.bench.gateway.scenarios.steady import STEADY, offer, search

SCENARIO = "backlog drain"


def run(bench: Bench) -> list[Row]:
    """Without a backlog at full load and at the steady rate; with one at full load; with one and no load."""
    with bench.site.backend() as backend, bench.entrants(backend, [bench.ours]) as [ours]:
        running = ours.running
        if running.dsn is None:
            raise BenchError(f"{ours.name} has no database to put a backlog into")
        rate_per_s = bench.found.get(STEADY) or search(bench, ours, backend)
        # again, and now: the machine may have become slower or quicker meanwhile
        steady_per_s = offer(bench, ours, backend, rate_per_s).delivered_per_s or 0.0
        bench.settle(ours)
        rows = []
        for when, load_s in (("without a backlog", bench.plan.duration_s), ("with a backlog", bench.plan.drain_s)):
            if when == "with a backlog":
                bench.settle(ours)
                bench.say(f"adding a backlog of {bench.plan.backlog} readings")
                begin_s = time.monotonic()
                backlog.fill(running.dsn, bench.plan.backlog, devices=bench.plan.devices)
                bench.say(f"added in {time.monotonic() - begin_s:.1f} s")
            given = bench.posting(ours)
            load = partial(closed_loop, running.port, given, boards=BOARDS, duration_s=load_s)
            row = observe(SCENARIO, running, backend, given, boards=BOARDS, load=load)
            bench.say(describe(row, when))
            rows.append(row)
        before_s, delivered_before = time.monotonic(), backend.delivered()
        time.sleep(bench.plan.duration_s)
        alone_per_s = (backend.delivered() - delivered_before) / (time.monotonic() - before_s)
        without, drained = rows
        left = int(drained.extra["waiting_after"])
        return [
            replace(without, scenario=f"{SCENARIO}: none yet"),
            replace(
                drained,
                extra={
                    **drained.extra,
                    "backlog": bench.plan.backlog,
                    "steady_per_s": steady_per_s,
                    "drain_to_steady": (drained.delivered_per_s or 0.0) / steady_per_s,
                    "accepted_to_without": (drained.accepted_per_s or 0.0) / (without.accepted_per_s or 1.0),
                    "p99_to_without": (drained.p99_ms or 0.0) / (without.p99_ms or 1.0),
                    "drain_alone_per_s": alone_per_s,
                    "drain_alone_to_steady": alone_per_s / steady_per_s,
                    "never_ran_empty": left > 0,
                },
            ),
        ]
