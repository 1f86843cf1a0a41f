"""(a) Accepted a second at 64 boards in a closed loop, the forwarder at work meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.figures import Row, with_ratios
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.peers.base import Running
from plantkeeper_hil.bench.gateway.scenarios.base import observe, posting_for, settle
from plantkeeper_hil.bench.gateway.wire import Posting

SCENARIO = "accepted"


def run(
    entrants: Sequence[tuple[Running, bool]],
    backend: Backend,
    *,
    scenario: str = SCENARIO,
    postings: Sequence[Posting],
    firmware_for: str | None,
    boards: Sequence[int],
    duration_s: float,
    rounds: int,
    boots: Callable[[], int],
    say: Callable[[str], None],
) -> list[Row]:
    """Rounds of all servers in turn, so that whatever else the machine does hits them alike.

    Args:
        entrants: running servers, and whether each needs a `Host` header.
        firmware_for: the only server that is given postings of the firmware's wire too; None: nobody is.
        boots: gives a boot counter that was never used.
    """
    rows: list[Row] = []
    for number in range(1, rounds + 1):
        rows_of_round: list[Row] = []
        for posting in postings:
            for count in boards:
                for running, needs_host in entrants:
                    if posting.wire == "firmware" and running.name != firmware_for:
                        continue
                    given = posting_for(posting, needs_host=needs_host, boot=boots())
                    row = observe(
                        scenario,
                        running,
                        backend,
                        given,
                        boards=count,
                        load=lambda given=given, count=count, running=running: closed_loop(  # type: ignore[misc]
                            running.port, given, boards=count, duration_s=duration_s
                        ),
                    )
                    say(describe(row, f"round {number}"))
                    rows_of_round.append(row)
                    settle(running)
        rows += with_ratios(rows_of_round)
    return rows


def describe(row: Row, when: str) -> str:
    """A line for the person who waits."""
    return (
        f"{when}: {row.scenario} {row.name} {row.mode} {row.wire} × {row.boards}: "
        f"{row.accepted_per_s or 0:.0f}/s accepted, {row.delivered_per_s or 0:.0f}/s delivered, "
        f"p50 {row.p50_ms or 0:.1f} ms, p99 {row.p99_ms or 0:.1f} ms"
    )
