"""Open-loop load by `open_loop.c`: a fixed number of readings a second, latency counted from the scheduled time."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from plantkeeper_hil.bench.gateway.errors import LoadError
from plantkeeper_hil.bench.gateway.load import Load, parse_result
from plantkeeper_hil.bench.gateway.wire import Posting

SOURCE = Path(__file__).with_name("open_loop.c")
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
PATIENCE_S = 60.0


def build(cache: Path) -> Path:
    """Compile the generator, unless this very source was compiled before.

    Args:
        cache: folder for the program.

    Raises:
        LoadError: there is no compiler, or it objects.
    """
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise LoadError("no C compiler; on Debian: sudo apt-get install --no-install-recommends gcc libc6-dev")
    program = cache / f"open_loop-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not program.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        made = subprocess.run(
            [compiler, *FLAGS, "-o", str(fresh), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            raise LoadError(f"{compiler} cannot compile {SOURCE}:\n{made.stderr[-2000:]}")
        fresh.rename(program)
    return program


def words(posting: Posting) -> list[str]:
    """A posting as the program's arguments."""
    return [posting.mode, posting.wire, "yes" if posting.host else "no", str(posting.devices), str(posting.boot)]


def open_loop(program: Path, port: int, posting: Posting, *, rate_per_s: float, duration_s: float) -> Load:
    """Post at a fixed rate for so long.

    Args:
        program: what `build` made.

    Raises:
        LoadError: it failed, or nobody answered.
    """
    done = subprocess.run(
        [str(program), str(port), f"{rate_per_s:.3f}", f"{duration_s:.3f}", *words(posting)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=duration_s + PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        raise LoadError(f"open_loop ended with status {done.returncode}: {done.stderr[-2000:]}")
    result = dict(parse_result(done.stdout))
    if not result["accepted"] and not result["refused"]:
        raise LoadError(f"nobody answered on port {port}: {result}")
    return Load(
        accepted=result["accepted"],
        refused=result["refused"],
        broken=result["broken"],
        duration_s=result["duration_s"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        generator_share=result["cpu_s"] / result["duration_s"],
        lag_p99_ms=result["lag_p99_ms"],
    )
