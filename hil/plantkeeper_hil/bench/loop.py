"""One virtual day through the whole loop: wall time, and peak memory of everything that `hil sim` starts.

`python -m plantkeeper_hil.bench.loop --out FILE` runs `hil sim` several times in processes of their own and
writes medians. Memory is sampled over all processes: the sum of their resident sets (RSS), in which pages that they
share count more than once, and of their proportional sets (PSS), in which they count once. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROUNDS = 3
SAMPLE_S = 0.05
TIMEOUT_S = 600.0
MIB = 1 << 20


@dataclass(frozen=True)
class Memory:
    """What several processes occupy together, shared pages counted for each (RSS) or once (PSS)."""

    rss_bytes: int
    pss_bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_hil.bench.loop", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args(arguments)
    rounds = [measure(options.hours, seed) for seed in range(1, options.rounds + 1)]
    figures = {
        "virtual_s": rounds[0]["virtual_s"],
        "wall_s": statistics.median(r["wall_s"] for r in rounds),
        "ratio": statistics.median(r["virtual_s"] / r["wall_s"] for r in rounds),
        "peak_rss_mb": max(r["peak_rss_mb"] for r in rounds),
        "peak_pss_mb": max(r["peak_pss_mb"] for r in rounds),
        "readings": rounds[0]["readings"],
        "latency_p50_ms": statistics.median(r["latency_p50_ms"] for r in rounds),
        "latency_p99_ms": statistics.median(r["latency_p99_ms"] for r in rounds),
        "rounds": rounds,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        if name != "rounds":
            print(f"{name:>16}  {value:.6g}")
    return 0


def measure(hours: float, seed: int) -> dict[str, float]:
    """One run of `hil sim`; the report's own wall time, and the peak of the memory of its processes.

    Raises:
        RuntimeError: the run failed; shows the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="plantkeeper-bench-") as folder, (Path(folder) / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "plantkeeper_hil", "sim", f"--hours={hours}", f"--seed={seed}", f"--out={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        peak = _watch(process)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"hil sim ended with status {process.returncode}:\n{said.read()[-3000:]}")
        report = json.loads((Path(folder) / "report.json").read_text())
    return {
        "virtual_s": report["virtual_s"],
        "wall_s": report["wall_s"],
        "readings": report["readings_taken"],
        "latency_p50_ms": report["latency_p50_ms"],
        "latency_p99_ms": report["latency_p99_ms"],
        "peak_rss_mb": peak.rss_bytes / MIB,
        "peak_pss_mb": peak.pss_bytes / MIB,
    }


def _watch(process: subprocess.Popen[bytes]) -> Memory:
    root = psutil.Process(process.pid)
    deadline_s = time.monotonic() + TIMEOUT_S
    peak = Memory(0, 0)
    try:
        while process.poll() is None:
            now = memory_of(family(root))
            peak = Memory(max(peak.rss_bytes, now.rss_bytes), max(peak.pss_bytes, now.pss_bytes))
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"hil sim did not end within {TIMEOUT_S:g} s")
            time.sleep(SAMPLE_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return peak


def family(root: psutil.Process) -> list[psutil.Process]:
    """A run's processes: all that descend from its first, PostgreSQL's too."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_of(processes: Iterable[psutil.Process]) -> Memory:
    """What processes occupy together; one that ended meanwhile occupies nothing."""
    rss_bytes = pss_bytes = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            info = process.memory_full_info()
            rss_bytes, pss_bytes = rss_bytes + info.rss, pss_bytes + info.pss
    return Memory(rss_bytes, pss_bytes)


if __name__ == "__main__":
    sys.exit(main())
