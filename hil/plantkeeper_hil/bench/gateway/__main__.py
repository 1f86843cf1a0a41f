"""`python -m plantkeeper_hil.bench.gateway --out FILE [--quick] [scenario …]`: measure, print, write.

Beside FILE (`gateway.json`) it writes `gateway-ratios.json`: the figures that are asked of the gateway, each with
floor and goal, met or not. A scenario that cannot be measured on this machine is said so, and the rest goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from plantkeeper_hil.bench.gateway import open_loop, report
from plantkeeper_hil.bench.gateway.bench import Bench, Plan
from plantkeeper_hil.bench.gateway.figures import Row, medians
from plantkeeper_hil.bench.gateway.peers import OTHERS, YARDSTICK, Ours
from plantkeeper_hil.bench.gateway.peers.base import Peer
from plantkeeper_hil.bench.gateway.place import Site, boots_from
from plantkeeper_hil.bench.gateway.scenarios import accepted, control, drain, offered, slow_backend, soak, steady
from plantkeeper_hil.bench.gateway.targets import targets
from plantkeeper_hil.errors import HilError, UsageError

SCENARIOS: Mapping[str, Callable[[Bench], list[Row]]] = {
    "control": control.run,
    "accepted": accepted.run,
    "steady": steady.run,
    "slow": slow_backend.run,
    "offered": offered.run,
    "drain": drain.run,
    "soak": soak.run,
}
FULL = Plan(rounds=5, duration_s=3.0, offered_s=10.0, drain_s=20.0, backlog=1_000_000, soak_s=120.0)
QUICK = Plan(rounds=3, duration_s=2.0, offered_s=5.0, drain_s=8.0, backlog=100_000, soak_s=0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where something could not be measured that can be here."""
    options = _parser().parse_args(arguments)
    options.out = options.out.resolve()
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    begin_s = time.monotonic()

    def say(line: str) -> None:
        console.print(f"{time.monotonic() - begin_s:6.1f} s  {line}")

    rows: list[Row] = []
    failures: list[str] = []
    try:
        plan, names = plan_of(options), scenarios_of(options)
        with Site(options.out.parent / "gateway-logs", options.out.parent / "cache") as site:
            bench = Bench(
                site=site,
                plan=plan,
                yardstick=YARDSTICK,
                ours=Ours(),
                others=present(options.peers, say),
                open_loop=open_loop.build(options.out.parent.resolve() / "cache"),
                boots=boots_from(1),
                say=say,
            )
            for name in names:
                say(f"— {name}")
                try:
                    rows += SCENARIOS[name](bench)
                except HilError as error:
                    say(f"error: {name}: {error}")
                    failures.append(f"{name}: {error}")
                save(
                    options.out, rows, failures, quick=options.quick
                )  # so that nothing later can lose what is measured
            result = medians(rows)
            report.show(result, targets(result), Console(width=max(Console().width, report.WIDTH)))
            say(f"{options.out} written")
    except HilError as error:
        say(f"error: {error}")
        return 1
    return 1 if failures else 0


def save(out: Path, rows: Sequence[Row], failures: Sequence[str], *, quick: bool) -> None:
    """Write the medians to `out`, and floors and goals beside it."""
    result = medians(rows)
    report.write(out, [row.as_dict() for row in result])
    judged = [target.as_dict() for target in targets(result)]
    ratios = {"targets": judged, "failures": list(failures), "quick": quick}
    report.write(out.with_name(f"{out.stem}-ratios.json"), ratios)


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options ask for."""
    plan = QUICK if options.quick else FULL
    chosen = {
        name: value
        for name in ("rounds", "duration_s", "drain_s", "backlog", "devices")
        if (value := getattr(options, name)) is not None
    }
    if options.soak_minutes is not None:
        chosen["soak_s"] = options.soak_minutes * 60
    return replace(plan, **chosen)


def scenarios_of(options: argparse.Namespace) -> list[str]:
    """Names of the scenarios to run.

    Raises:
        UsageError: there is no such scenario.
    """
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        raise UsageError(f"no scenario named {', '.join(unknown)}; there are: {', '.join(SCENARIOS)}")
    names = options.scenarios or list(SCENARIOS)
    return [name for name in names if name != "soak" or plan_of(options).soak_s > 0]


def present(names: Sequence[str] | None, say: Callable[[str], None]) -> list[Peer]:
    """Further peers that can be measured here; says why the others cannot."""
    found: list[Peer] = []
    for peer in OTHERS:
        if names is not None and peer.name not in names:
            continue
        reason = peer.missing()
        if reason is None:
            found.append(peer)
        else:
            say(f"{peer.name} is left out: {reason}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_hil.bench.gateway", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"{', '.join(SCENARIOS)}; all without one")
    parser.add_argument("--out", type=Path, default=Path("build/bench/gateway.json"))
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds, a small backlog, no soak")
    parser.add_argument("--peers", nargs="*", metavar="NAME", help="beside nginx and ours; none: only those two")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--duration-s", type=float, help="of one closed-loop load; whole seconds")
    parser.add_argument("--drain-s", type=float, help="for which the drain of a backlog is watched")
    parser.add_argument("--backlog", type=int, help="readings in the backlog")
    parser.add_argument("--soak-minutes", type=float, help="for which memory is watched; 0: not at all")
    parser.add_argument("--devices", type=int, help="that the readings are from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
