"""Ends what a run leaves behind, even where the run itself was killed.

A process of its own that reads its orders from a pipe: `process PID CREATE_TIME` and `folder PATH`. When the pipe
closes, whether the run ended well or by SIGKILL, what is still there of it is ended and removed. A pid counts
only together with its creation time, so that a pid used again is left alone.

Standard library and psutil only; run as `python -m plantkeeper_hil.stack.janitor`.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

GRACE_S = 5.0
POLL_S = 0.02


class Janitor:
    """The run's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "plantkeeper_hil.stack.janitor"],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is not meant for it
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def watch_process(self, pid: int) -> None:
        """End this process when the run is over."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._order(f"process {pid} {psutil.Process(pid).create_time()}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder when the run is over."""
        self._order(f"folder {folder}")

    def close(self) -> None:
        """The run is over: clean up now, and wait until that is done."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait(timeout=4 * GRACE_S)

    def _order(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise RuntimeError("the janitor was closed already")
        pipe.write(line + "\n")
        pipe.flush()


def clean_up(orders: Iterable[str]) -> None:
    """Carry out a run's orders: processes first, in the reverse of the order in which they were started."""
    processes: list[psutil.Process] = []
    folders: list[Path] = []
    for order in orders:
        kind, _, rest = order.rstrip("\n").partition(" ")
        if kind == "folder":
            folders.append(Path(rest))
        elif kind == "process":
            pid, created = rest.split()
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(pid))
                if abs(process.create_time() - float(created)) < 0.1 and is_running(process):
                    processes.append(process)
    for process in reversed(processes):
        end(process)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def end(process: psutil.Process) -> None:
    """End a process and all its children: asked first, then forced."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                act(member)
        deadline_s = time.monotonic() + GRACE_S
        while (family := [member for member in family if is_running(member)]) and time.monotonic() < deadline_s:
            time.sleep(POLL_S)


def is_running(process: psutil.Process) -> bool:
    """Whether a process still does anything; one that only its parent has not asked after yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Collect orders until the pipe closes, then carry them out."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clean_up(sys.stdin.readlines())


if __name__ == "__main__":
    main()
