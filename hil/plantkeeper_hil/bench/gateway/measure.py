"""CPU time and memory of process trees, read from /proc (proc(5)).

PSS counts a page that n processes share as 1/n in each, so that the sum over a tree is what the tree really takes;
PostgreSQL's children all map its shared buffers, and their RSS would count them again and again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says of a process.

    Args:
        cpu_ticks: user and system time of its own and of the children that it waited for.
    """

    pid: int
    parent: int
    cpu_ticks: int


def parse_stat(text: str) -> Stat:
    """Read a line of /proc/PID/stat; the command's name may hold blanks and brackets."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(int(head.split(" ", 1)[0]), int(fields[1]), sum(int(field) for field in fields[11:15]))


def parse_pss_bytes(text: str) -> int:
    """Read the `Pss:` line of /proc/PID/smaps_rollup; 0 where there is none."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    return 0


def family(roots: Iterable[int], stats: Mapping[int, Stat]) -> set[int]:
    """The roots that live, and all that descends from them."""
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in stats]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def cpu_s(roots: Iterable[int], proc: Path = PROC, *, but: Collection[int] = ()) -> float:
    """CPU seconds so far of process trees.

    Args:
        but: processes in them that do not count.
    """
    stats = {stat.pid: stat for stat in _stats(proc)}
    return sum(stats[pid].cpu_ticks for pid in family(roots, stats) if pid not in but) / TICKS_PER_S


def parse_busy_ticks(text: str) -> int:
    """CPU time that the machine did not idle away, from the first line of /proc/stat; guests count within user time."""
    user, nice, system, idle, iowait, irq, softirq, steal, *_ = (int(field) for field in text.split()[1:11])
    del idle, iowait
    return user + nice + system + irq + softirq + steal


def busy_s(proc: Path = PROC) -> float:
    """CPU seconds of all processes of the machine so far."""
    return parse_busy_ticks((proc / "stat").read_text().partition("\n")[0]) / TICKS_PER_S


def pss_mb(roots: Iterable[int], proc: Path = PROC, *, but: Collection[int] = ()) -> float:
    """Memory of process trees in MiB, shared pages shared out.

    Args:
        but: processes in them that do not count.
    """
    stats = {stat.pid: stat for stat in _stats(proc)}
    texts = (_read(proc / str(pid) / "smaps_rollup") for pid in family(roots, stats) if pid not in but)
    return sum(parse_pss_bytes(text) for text in texts if text) / MIB


def _stats(proc: Path) -> Iterator[Stat]:
    for folder in proc.iterdir():
        if folder.name.isdigit():
            text = _read(folder / "stat")
            if text:
                yield parse_stat(text)


def _read(path: Path) -> str | None:
    """A file of a process; None where the process is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
