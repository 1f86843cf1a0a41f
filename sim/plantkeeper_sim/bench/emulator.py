"""The emulator's speed against simavr's, QEMU's and avr8js's, on one compute-bound ELF.

`python -m plantkeeper_sim.bench.emulator --out FILE` compiles `workload.c`, lets every emulator that is here
run it once a round, in turn, and writes medians. Time is CPU time, starting up apart, so that what else the
machine does counts little. All must come to the same checksum, and those that count cycles to the same count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from plantkeeper_sim.bench.avr8js import Avr8js
from plantkeeper_sim.bench.figures import OURS, Round, agreed_cycles, figures, table
from plantkeeper_sim.bench.ours import Ours
from plantkeeper_sim.bench.peer import AbsentError, Peer, RunError
from plantkeeper_sim.bench.program import CLOCK_HZ, compile_program
from plantkeeper_sim.bench.qemu import Qemu
from plantkeeper_sim.bench.simavr import Simavr

ROUNDS = 7
PASSES = 300  # 78 million cycles: a quarter of a second for the fastest


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where simavr is absent or an emulator came to another end."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_sim.bench.emulator", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each emulator (default %(default)s)")
    parser.add_argument("--passes", type=int, default=PASSES, help="length of the program (default %(default)s)")
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="plantkeeper-bench-") as folder:
            return measure(options.out, Path(folder), rounds=options.rounds, passes=options.passes)
    except (AbsentError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def measure(out: Path, folder: Path, *, rounds: int, passes: int) -> int:
    """Run everything in `folder`, write `out`; the exit status."""
    program = compile_program(folder, passes=passes)
    candidates: dict[str, Callable[[], Peer]] = {
        OURS: lambda: Ours(program),
        "simavr": lambda: Simavr(program, folder),
        "qemu": lambda: Qemu(program),
        "avr8js": lambda: Avr8js(program, out.parent / "npm"),
    }
    peers: dict[str, Peer] = {}
    absent: dict[str, str] = {}
    for name, make in candidates.items():
        try:
            peers[name] = make()
        except AbsentError as error:
            absent[name] = str(error)
    taken = [_round(peers, absent) for _ in range(rounds)]
    taken = [{name: run for name, run in runs.items() if name not in absent} for runs in taken]
    made = figures(taken)
    versions = {name: peer.version() for name, peer in peers.items() if name not in absent}
    print(table(made, versions, absent, CLOCK_HZ))
    cycles = agreed_cycles(taken)
    print(f"{cycles} cycles, checksum {taken[0][OURS].checksum}, {rounds} rounds, medians of CPU time")
    per_round = [{name: cycles / run.cpu_s for name, run in runs.items()} for runs in taken]
    record = {**made, "cycles": cycles, "versions": versions, "absent": absent, "rounds_cycles_per_s": per_round}
    out.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if "simavr" in absent else 0


def _round(peers: dict[str, Peer], absent: dict[str, str]) -> Round:
    """Every emulator once; a peer that fails is named, and left out from then on."""
    runs = {}
    for name, peer in peers.items():
        if name in absent:
            continue
        try:
            runs[name] = peer.run()
        except RunError as error:
            if name == OURS:
                raise
            absent[name] = f"did not run the program: {error}"
    return runs


if __name__ == "__main__":
    sys.exit(main())
