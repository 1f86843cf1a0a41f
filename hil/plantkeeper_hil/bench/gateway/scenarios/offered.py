"""(d) 200 readings a second offered: what a board waits, and what it costs in CPU time and memory."""

from __future__ import annotations

from functools import partial

from plantkeeper_hil.bench.gateway.bench import FEW_ROUNDS, Bench
from plantkeeper_hil.bench.gateway.figures import Row, with_ratios
from plantkeeper_hil.bench.gateway.open_loop import open_loop
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe

SCENARIO = "offered 200/s"
RATE_PER_S = 200.0


def run(bench: Bench) -> list[Row]:
    """Rounds of nginx and ours in turn. Ours pays for delivering all that it accepted."""
    rows: list[Row] = []
    with bench.site.backend() as backend, bench.entrants(backend, [bench.yardstick, bench.ours]) as entrants:
        for number in range(1, min(bench.plan.rounds, FEW_ROUNDS) + 1):
            rows_of_round: list[Row] = []
            for entrant in entrants:
                bench.settle(entrant)
                given = bench.posting(entrant)
                load = partial(
                    open_loop,
                    bench.open_loop,
                    entrant.running.port,
                    given,
                    rate_per_s=RATE_PER_S,
                    duration_s=bench.plan.offered_s,
                )
                row = observe(SCENARIO, entrant.running, backend, given, boards=0, load=load, to_the_end=True)
                bench.say(describe(row, f"round {number}"))
                rows_of_round.append(row)
            rows += with_ratios(rows_of_round)
    return rows
