"""From runs to figures. Pure.

Each round runs every emulator once, so that what else the machine does falls on all alike; ratios are made
within a round, and medians over the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from plantkeeper_sim.bench.peer import Run, RunError

OURS = "ours"
Round = Mapping[str, Run]


def agreed_cycles(rounds: Sequence[Round]) -> int:
    """How many cycles the program takes, where all that count them agree, and all made the same checksum.

    Raises:
        RunError: two differ: they did not run the same program to the same end.
    """
    first = rounds[0][OURS]
    assert first.cycles is not None
    for runs in rounds:
        for name, run in runs.items():
            if run.checksum != first.checksum:
                raise RunError(f"{name} made the checksum {run.checksum}, ours {first.checksum}")
            if run.cycles not in (None, first.cycles):
                raise RunError(f"{name} counted {run.cycles} cycles, ours {first.cycles}")
    return first.cycles


def figures(rounds: Sequence[Round]) -> dict[str, float]:
    """`NAME_cycles_per_s` of each emulator, and how many times as fast ours is: `ratio` for simavr, else `NAME_ratio`.

    An emulator that counts no cycles is credited with those that the program takes.
    """
    cycles = agreed_cycles(rounds)
    made: dict[str, float] = {}
    for name in rounds[0]:
        made[f"{name}_cycles_per_s"] = median(cycles / runs[name].cpu_s for runs in rounds)
        if name != OURS:
            ratio = median(runs[name].cpu_s / runs[OURS].cpu_s for runs in rounds)
            made["ratio" if name == "simavr" else f"{name}_ratio"] = ratio
    return made


def table(made: Mapping[str, float], versions: Mapping[str, str], absent: Mapping[str, str], clock_hz: int) -> str:
    """The figures for people.

    Args:
        made: from `figures`.
        versions: of the emulators that ran, by name.
        absent: why the others did not, by name.
        clock_hz: real time, for the column that says how many times that is.
    """
    lines = [f"{'emulator':<10}{'Mcycles/s':>11}{'× real time':>13}{'ours is':>11}   version"]
    for name, version in versions.items():
        speed = made[f"{name}_cycles_per_s"]
        ratio = made.get("ratio" if name == "simavr" else f"{name}_ratio")
        times = "" if ratio is None else f"{ratio:.2f} ×"
        lines.append(f"{name:<10}{speed / 1e6:>11.1f}{speed / clock_hz:>13.1f}{times:>11}   {version}")
    lines += [f"{name:<10}absent: {why}" for name, why in absent.items()]
    return "\n".join(lines)
