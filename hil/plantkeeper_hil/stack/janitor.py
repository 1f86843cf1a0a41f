"""Ends what a run leaves behind, even where the run itself was killed.

A process of its own that reads its orders from a pipe: `process PID CREATE_TIME`, `folder PATH`, and `command WORDS`
for what only a command can remove, such as containers. When the pipe closes, whether the run ended well or by SIGKILL,
what is still there of it is ended and removed. Each order comes before what it is about: a folder is announced before
it is made, a process before its command gets to run (service.py), so that there is no moment at which something is
there that the janitor does not know of. A pid counts only together with its creation time, so that a pid used again is
left alone.

Standard library and psutil only; run as `python -m plantkeeper_hil.stack.janitor`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

GRACE_S = 5.0
REMOVE_S = 10.0
CLOSE_S = 150.0
COMMAND_S = 120.0
POLL_S = 0.02
SAME_TIME_S = 0.1  # far below the time in which pids come round again


class Janitor:
    """The run's end of the pipe; a context manager, whose end is the run's end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "plantkeeper_hil.stack.janitor"],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is not meant for it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def watch_process(self, pid: int) -> None:
        """End this process when the run is over."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._order(f"process {pid} {psutil.Process(pid).create_time()}")

    def watch_command(self, words: Sequence[str]) -> None:
        """Run this command when the run is over: it removes something, and does nothing where that is not there."""
        self._order(f"command {json.dumps(list(words))}")

    def make_folder(self) -> Path:
        """A new folder, ours alone, that is removed when the run is over."""
        from tempfile import gettempdir  # noqa: PLC0415 - brings 6 MB of OpenSSL, for which the process has no use

        folder = Path(gettempdir()) / f"plantkeeper-{os.urandom(8).hex()}"
        self._order(f"folder {folder}")
        folder.mkdir(mode=0o700)
        return folder

    def close(self) -> None:
        """The run is over: clean up now, and wait until that is done."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait(timeout=CLOSE_S)

    def _order(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise RuntimeError("the janitor was closed already")
        pipe.write(line + "\n")
        pipe.flush()


@dataclass(frozen=True)
class Watched:
    """A process of a run: the first of a session of its own, known by pid and creation time."""

    pid: int
    created_s: float

    def members(self) -> list[psutil.Process]:
        """What runs of it: itself, its children and theirs, and what it left in its session, even where it is gone."""
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created_s) >= SAME_TIME_S:
                return []  # the pid was used again, so nothing of its session is left either
            found = {member.pid: member for member in (process, *process.children(recursive=True))}
        for pid in psutil.pids():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                if pid not in found and os.getsid(pid) == self.pid:
                    member = psutil.Process(pid)
                    if member.create_time() > self.created_s - SAME_TIME_S:
                        found[pid] = member
        return [member for member in found.values() if is_running(member)]


def clean_up(orders: Iterable[str]) -> None:
    """Carry out a run's orders: processes, in the reverse of the order of their starts, then commands, then folders."""
    processes: list[Watched] = []
    commands: list[list[str]] = []
    folders: list[Path] = []
    for order in orders:
        kind, _, rest = order.rstrip("\n").partition(" ")
        if kind == "folder":
            folders.append(Path(rest))
        elif kind == "command":
            commands.append(json.loads(rest))
        elif kind == "process":
            pid, created_s = rest.split()
            processes.append(Watched(int(pid), float(created_s)))
    for process in reversed(processes):
        end(process)
    for words in commands:
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # nobody is left to be told
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)
    for folder in folders:
        remove(folder)


def end(process: Watched) -> None:
    """End a process and all that belongs to it: asked first, then forced; also what it starts meanwhile."""
    for act in (psutil.Process.terminate, psutil.Process.kill):
        told: set[psutil.Process] = set()
        deadline_s = time.monotonic() + GRACE_S
        while (members := process.members()) and time.monotonic() < deadline_s:
            for member in members:
                if member not in told:
                    told.add(member)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        act(member)
            time.sleep(POLL_S)
        if not members:
            return


def remove(folder: Path, *, within_s: float = REMOVE_S) -> None:
    """Remove a folder, again and again for a while: a process that is about to end may still write into it."""
    deadline_s = time.monotonic() + within_s
    while folder.exists() and time.monotonic() < deadline_s:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
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
