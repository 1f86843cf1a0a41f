"""The load generator by itself, on an nginx that answers a constant: what no server can show more than."""

from __future__ import annotations

from functools import partial

from plantkeeper_hil.bench.gateway.bench import BOARDS, Bench
from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.open_loop import open_loop
from plantkeeper_hil.bench.gateway.peers.base import Entrant
from plantkeeper_hil.bench.gateway.peers.constant import Constant
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe
from plantkeeper_hil.bench.gateway.scenarios.offered import RATE_PER_S
from plantkeeper_hil.bench.gateway.wire import Posting

SCENARIO = "control"


def run(bench: Bench) -> list[Row]:
    """wrk in both modes, and the open loop; the backend only lends its counter."""
    peer = Constant()
    rows: list[Row] = []
    with bench.site.backend() as backend, bench.site.server(peer, backend) as running:
        entrant = Entrant(peer, running)
        for posting in (Posting("close"), Posting("keep")):
            given = bench.posting(entrant, posting)
            load = partial(closed_loop, running.port, given, boards=BOARDS, duration_s=bench.plan.duration_s)
            rows.append(observe(SCENARIO, running, backend, given, boards=BOARDS, load=load))
        given = bench.posting(entrant)
        load = partial(
            open_loop,
            bench.open_loop,
            running.port,
            given,
            rate_per_s=RATE_PER_S,
            duration_s=bench.plan.offered_s,
        )
        rows.append(observe(SCENARIO, running, backend, given, boards=0, load=load))
    for row in rows:
        bench.say(describe(row, "once"))
    return rows
