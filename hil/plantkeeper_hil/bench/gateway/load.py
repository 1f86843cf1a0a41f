"""Closed-loop load by wrk: each board posts its next reading as soon as it has the answer to the last.

wrk runs one thread, so that its counter makes all readings distinct. Its own CPU share is measured: near a whole core,
it was wrk that could do no more, and the figure is a lower bound.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkeeper_hil.bench.gateway.errors import LoadError
from plantkeeper_hil.bench.gateway.wire import Posting

SCRIPT = Path(__file__).with_name("board.lua")
ANSWER_TIMEOUT_S = 10
GENERATOR_LIMIT = 0.9  # of a core


@dataclass(frozen=True)
class Load:
    """What boards saw.

    Args:
        accepted: answers 200.
        refused: other answers.
        broken: connections that failed, or answers that did not come in time.
        duration_s: length of the load.
        p50_ms, p99_ms: from the request to the answer.
        generator_share: how much of a core the load generator took.
        lag_p99_ms: by how much it was late itself; None in a closed loop, which has no schedule.
    """

    accepted: int
    refused: int
    broken: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    generator_share: float
    lag_p99_ms: float | None = None

    @property
    def accepted_per_s(self) -> float:
        """Answers 200 a second."""
        return self.accepted / self.duration_s

    @property
    def generator_bound(self) -> bool:
        """Whether the load generator was what could do no more."""
        return self.generator_share >= GENERATOR_LIMIT


def closed_loop(port: int, posting: Posting, *, boards: int, duration_s: float) -> Load:
    """Post from so many boards at once for so long.

    Raises:
        LoadError: wrk is not there, failed, or nobody answered.
    """
    command = [
        *(program(), "--threads=1", f"--connections={boards}", f"--duration={round(duration_s)}s"),
        *(f"--timeout={ANSWER_TIMEOUT_S}s", f"--script={SCRIPT}", f"http://127.0.0.1:{port}/sensor-data", "--"),
        *(posting.mode, posting.wire, "yes" if posting.host else "no", str(posting.devices), str(posting.boot)),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)  # its CPU time, which subprocess does not tell
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode != 0:
        raise LoadError(f"wrk ended with status {process.returncode}:\n{text[-2000:]}")
    result = parse_result(text)
    if not result["accepted"] and not result["refused"]:
        raise LoadError(f"nobody answered wrk on port {port}:\n{text[-2000:]}")
    return Load(**result, generator_share=(usage.ru_utime + usage.ru_stime) / result["duration_s"])


def parse_result(output: str) -> Mapping[str, Any]:
    """What `board.lua` says at the end.

    Raises:
        LoadError: it says nothing.
    """
    for line in output.splitlines():
        if line.startswith("RESULT "):
            result: Mapping[str, Any] = json.loads(line.removeprefix("RESULT "))
            return result
    raise LoadError(f"wrk printed no result:\n{output[-2000:]}")


def program() -> str:
    """Where wrk is.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is not installed; on Debian: sudo apt-get install --no-install-recommends wrk")
    return found
