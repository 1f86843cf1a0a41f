"""(b) Delivered end to end over TLS in a steady state: the highest offered rate at which the backlog does not grow.

nginx delivers what it accepts, so its figure is that of a closed loop. Ours accepts faster than it delivers when asked
to; so the rate is searched at which it delivers all that is offered, then measured in rounds beside nginx.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.bench import BOARDS, FEW_ROUNDS, Bench
from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.figures import Row, with_ratios
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.open_loop import open_loop
from plantkeeper_hil.bench.gateway.peers.base import Entrant
from plantkeeper_hil.bench.gateway.scenarios.base import describe, observe

SCENARIO = "steady delivery"
STEADY = "steady_per_s"
STEPS = 5
CLIMB_PROBES = 6
UP, DOWN = 1.15, 0.75
LOAD_S = 4.0
BACKLOG_S = 0.1  # of offered readings may be on their way at the end: 2.5 % of a load
BACKLOG_READINGS = 128  # always may: claimed and sent, not yet settled
TAKEN = 0.98  # of what is offered must be accepted


def is_flat(*, offered_per_s: float, accepted_per_s: float, waiting: int) -> bool:
    """Whether a server that began with nothing waiting kept up with what was offered."""
    return waiting <= max(BACKLOG_READINGS, BACKLOG_S * offered_per_s) and accepted_per_s >= TAKEN * offered_per_s


def highest_flat(low_per_s: float, high_per_s: float, flat_at: Callable[[float], bool], *, steps: int) -> float:
    """Bisect for the highest rate that `flat_at` accepts; goes below `low_per_s`, an estimate, where it must.

    Args:
        flat_at: whether a server keeps up with a rate.
        steps: probes of the bisection; up to as many again go below.

    Raises:
        PeerError: it keeps up with nothing that was tried.
    """
    sure = False
    for _ in range(steps):
        middle_per_s = (low_per_s + high_per_s) / 2
        if flat_at(middle_per_s):
            low_per_s, sure = middle_per_s, True
        else:
            high_per_s = middle_per_s
    for _ in range(steps):
        if sure or flat_at(low_per_s):
            return low_per_s
        low_per_s /= 2
    raise PeerError(f"the backlog grows even at {2 * low_per_s:.0f} readings/s")


def offer(bench: Bench, ours: Entrant, backend: Backend, rate_per_s: float) -> Row:
    """Offer a rate to a server with nothing waiting; `flat` in its extra figures says whether it kept up."""
    bench.settle(ours)
    given = bench.posting(ours)
    load = partial(open_loop, bench.open_loop, ours.running.port, given, rate_per_s=rate_per_s, duration_s=LOAD_S)
    row = observe(SCENARIO, ours.running, backend, given, boards=0, load=load)
    flat = is_flat(
        offered_per_s=rate_per_s,
        accepted_per_s=row.accepted_per_s or 0.0,
        waiting=int(row.extra["waiting_after"]),
    )
    bench.say(
        f"offered {rate_per_s:.0f}/s: {row.delivered_per_s or 0:.0f}/s delivered, "
        f"{row.extra['waiting_after']} waiting: {'flat' if flat else 'grows'}"
    )
    return replace(row, extra={**row.extra, "offered_per_s": rate_per_s, "flat": flat})


def search(bench: Bench, ours: Entrant, backend: Backend) -> float:
    """The steady rate, readings a second: between half of what is delivered under full load and what is accepted."""
    bench.settle(ours)
    given = bench.posting(ours)
    load = partial(closed_loop, ours.running.port, given, boards=BOARDS, duration_s=2.0)
    full = observe(SCENARIO, ours.running, backend, given, boards=BOARDS, load=load)
    delivered, accepted = full.delivered_per_s or 0.0, full.accepted_per_s or 0.0
    bench.say(f"at full load {accepted:.0f}/s accepted, {delivered:.0f}/s delivered; searching the steady rate")
    return highest_flat(
        delivered / 2, accepted, lambda rate: bool(offer(bench, ours, backend, rate).extra["flat"]), steps=STEPS
    )


def climb(start_per_s: float, offer_at: Callable[[float], Row]) -> Row:
    """The best flat probe near a rate: upwards while the backlog stays flat, else downwards until it does.

    A search is true for its own moment only; on a shared machine what a server can do changes within minutes.

    Args:
        offer_at: offers a rate and says what came of it, `flat` among the extra figures.
    """
    rate_per_s, best, last = start_per_s, None, None
    for _ in range(CLIMB_PROBES):
        last = offer_at(rate_per_s)
        if last.extra["flat"]:
            best = last
            rate_per_s *= UP
        elif best is not None:
            break
        else:
            rate_per_s *= DOWN
    found = best or last
    assert found is not None
    return found


def run(bench: Bench) -> list[Row]:
    """Search, then rounds of nginx and ours in turn; a round in which the backlog never was flat has no figure."""
    rows: list[Row] = []
    with bench.site.backend() as backend, bench.entrants(backend, [bench.yardstick, bench.ours]) as entrants:
        yardstick, ours = entrants
        rate_per_s = search(bench, ours, backend)
        for number in range(1, min(bench.plan.rounds, FEW_ROUNDS) + 1):
            bench.settle(ours)
            given = bench.posting(yardstick)
            load = partial(closed_loop, yardstick.running.port, given, boards=BOARDS, duration_s=bench.plan.duration_s)
            base = observe(SCENARIO, yardstick.running, backend, given, boards=BOARDS, load=load)
            bench.say(describe(base, f"round {number}"))
            row = climb(rate_per_s, partial(offer, bench, ours, backend))
            if row.extra["flat"]:
                bench.found[STEADY] = rate_per_s = float(row.extra["offered_per_s"])
            else:
                row = replace(row, accepted_per_s=None, delivered_per_s=None)
            # the yardstick's closed loop stands beside our open loop
            rows += with_ratios([base, replace(row, boards=BOARDS)])
    return rows
