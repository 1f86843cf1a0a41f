"""One virtual day through the whole loop: wall time, and peak memory of everything that `hil sim` starts.

`python -m plantkeeper_hil.bench.loop --out FILE` runs `hil sim` several times in processes of their own and
writes medians. Memory is the sum of all processes' resident sets, sampled; pages that they share count more
than once, so the true figure is lower.
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
from collections.abc import Sequence
from pathlib import Path

import psutil

ROUNDS = 3
SAMPLE_S = 0.05
TIMEOUT_S = 600.0
MIB = 1 << 20


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
        peak_bytes = _watch(process)
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
        "peak_rss_mb": peak_bytes / MIB,
    }


def _watch(process: subprocess.Popen[bytes]) -> int:
    root = psutil.Process(process.pid)
    deadline_s = time.monotonic() + TIMEOUT_S
    peak_bytes = 0
    try:
        while process.poll() is None:
            peak_bytes = max(peak_bytes, sum(_resident(member) for member in _family(root)))
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"hil sim did not end within {TIMEOUT_S:g} s")
            time.sleep(SAMPLE_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return peak_bytes


def _family(root: psutil.Process) -> list[psutil.Process]:
    """The run's processes; PostgreSQL leaves the tree when it starts, and is found by its folder's name."""
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    pids = {member.pid for member in family}
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        if process.info["name"] == "postgres" and process.pid not in pids:
            with contextlib.suppress(psutil.Error):
                if any("plantkeeper-" in word for word in process.info["cmdline"] or []):
                    family += [process, *process.children(recursive=True)]
    return family


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    sys.exit(main())
