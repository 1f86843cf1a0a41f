"""(a) Accepted a second at 64 boards in a closed loop, all peers in turn; our forwarder at work meanwhile."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from plantkeeper_hil.bench.gateway.bench import BOARDS, FEW_ROUNDS, Bench
from plantkeeper_hil.bench.gateway.figures import Row, with_ratios
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe
from plantkeeper_hil.bench.gateway.wire import Posting

SCENARIO = "accepted"
POSTINGS = (Posting("close"), Posting("keep"), Posting("close", "firmware"))


def run(bench: Bench) -> list[Row]:
    """Rounds of all servers in turn, so that whatever else the machine does hits them alike.

    Only ours is also given the firmware's wire: the key costs the others nothing, since they do not look at it.
    """
    rows: list[Row] = []
    peers = [bench.yardstick, bench.ours, *bench.others]
    with bench.site.backend() as backend, bench.entrants(backend, peers) as entrants:
        for number in range(1, bench.plan.rounds + 1):
            rows_of_round: list[Row] = []
            for posting in POSTINGS:
                for entrant in entrants:
                    if posting.wire == "firmware" and entrant.peer is not bench.ours:
                        continue
                    if entrant.peer in bench.others and number > FEW_ROUNDS:
                        continue
                    bench.settle(entrant)
                    given = bench.posting(entrant, posting)
                    load = partial(
                        closed_loop, entrant.running.port, given, boards=BOARDS, duration_s=bench.plan.duration_s
                    )
                    row = observe(SCENARIO, entrant.running, backend, given, boards=BOARDS, load=load)
                    if not entrant.peer.forwards:
                        row = replace(row, delivered_per_s=None)
                    bench.say(describe(row, f"round {number}"))
                    rows_of_round.append(row)
                    bench.settle(entrant)
            rows += with_ratios(rows_of_round)
    return rows
