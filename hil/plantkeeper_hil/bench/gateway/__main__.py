"""`python -m plantkeeper_hil.bench.gateway --out FILE [--quick] [scenario …]`: measure, print, write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from plantkeeper_hil.bench.gateway import report
from plantkeeper_hil.bench.gateway.figures import Row, medians
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.peers.base import Peer, Running
from plantkeeper_hil.bench.gateway.peers.nginx_proxy import NginxProxy
from plantkeeper_hil.bench.gateway.peers.ours import NAME as OURS
from plantkeeper_hil.bench.gateway.peers.ours import Ours
from plantkeeper_hil.bench.gateway.place import Site, boots_from
from plantkeeper_hil.bench.gateway.scenarios import accepted
from plantkeeper_hil.bench.gateway.scenarios.base import posting_for, settle
from plantkeeper_hil.bench.gateway.wire import Posting
from plantkeeper_hil.errors import HilError

SCENARIOS = ("accepted",)


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int
    duration_s: float


FULL = Plan(rounds=5, duration_s=6.0)
QUICK = Plan(rounds=3, duration_s=3.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where something cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_hil.bench.gateway", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="all without one")
    parser.add_argument("--out", type=Path, default=Path("build/bench/gateway.json"))
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--duration-s", type=float, help="of one load")
    parser.add_argument("--devices", type=int, default=1000, help="that the readings are from")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    plan = Plan(options.rounds or plan.rounds, options.duration_s or plan.duration_s)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        rows = measure(options, plan, say=console.print)
    except HilError as error:
        console.print(f"error: {error}", style="red", markup=False)
        return 1
    result = medians(rows)
    report.show(result, Console(width=max(Console().width, report.WIDTH)))
    report.write(options.out, [row.as_dict() for row in result])
    return 0


def measure(options: argparse.Namespace, plan: Plan, *, say) -> list[Row]:
    peers: list[Peer] = [NginxProxy(), Ours()]
    boots = boots_from(1)
    log_dir = options.out.parent / "gateway-logs"
    with ExitStack() as stack:
        site = stack.enter_context(Site(log_dir, options.out.parent / "cache"))
        backend = stack.enter_context(site.backend())
        entrants: list[tuple[Running, bool]] = []
        for peer in peers:
            say(f"starting {peer.name}")
            entrants.append((stack.enter_context(site.server(peer, backend)), peer.needs_host))
        for running, needs_host in entrants:  # connections, caches and statistics as in steady running
            closed_loop(
                running.port,
                posting_for(Posting(devices=options.devices), needs_host=needs_host, boot=boots()),
                boards=64,
                duration_s=1,
            )
            settle(running)
        return accepted.run(
            entrants,
            backend,
            postings=[
                Posting("close", devices=options.devices),
                Posting("keep", devices=options.devices),
                Posting("close", "firmware", devices=options.devices),
            ],
            firmware_for=OURS,
            boards=[64],
            duration_s=plan.duration_s,
            rounds=plan.rounds,
            boots=boots,
            say=say,
        )


if __name__ == "__main__":
    sys.exit(main())
