"""(c) A backend that takes 50 ms: a proxy makes its boards wait, a gateway that keeps readings does not."""

from __future__ import annotations

from functools import partial

from plantkeeper_hil.bench.gateway.bench import BOARDS, FEW_ROUNDS, Bench
from plantkeeper_hil.bench.gateway.figures import Row, with_ratios
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe

SCENARIO = "backend takes 50 ms"
DELAY_S = 0.05


def run(bench: Bench) -> list[Row]:
    """Rounds of nginx and ours, with one board and with 64.

    Ours is started anew in each round: its backlog cannot drain in time, and must not disturb what is measured next.
    """
    rows: list[Row] = []
    with bench.site.backend(delay_s=DELAY_S) as backend:
        for number in range(1, min(bench.plan.rounds, FEW_ROUNDS) + 1):
            rows_of_round: list[Row] = []
            for peer in (bench.yardstick, bench.ours):
                with bench.entrants(backend, [peer], settled=False) as [entrant]:
                    for boards in (1, BOARDS):
                        given = bench.posting(entrant)
                        load = partial(
                            closed_loop, entrant.running.port, given, boards=boards, duration_s=bench.plan.duration_s
                        )
                        row = observe(SCENARIO, entrant.running, backend, given, boards=boards, load=load)
                        bench.say(describe(row, f"round {number}"))
                        rows_of_round.append(row)
            rows += with_ratios(rows_of_round)
    return rows
