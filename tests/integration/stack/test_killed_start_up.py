"""Whatever moment of its start-up a run is killed at, no process and no folder of it is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from plantkeeper_hil.stack.janitor import is_running

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DEADLINE_S = 90.0
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
STACK = """
import pathlib, signal, sys
from plantkeeper_hil.stack.local import LocalStack, StackOptions
with LocalStack(StackOptions(log_dir=pathlib.Path(sys.argv[1]))):
    signal.pause()
"""


class Run:
    """A process that is going to be killed, and every process that was seen below it.

    Args:
        command: what to start.
        folder: its TMPDIR: of all processes on the machine, only those of this run have it in their environment.
    """

    def __init__(self, command: list[str], folder: Path, cwd: Path) -> None:
        self.folder = folder
        self._variable = ("TMPDIR", str(folder))
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=cwd,
            env={**os.environ, **dict([self._variable])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.seen: set[psutil.Process] = set()

    def look(self) -> None:
        """Remember all processes below it."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            self.seen |= {process, *process.children(recursive=True)}

    def left(self) -> list[str]:
        """What is still there of it: its processes, by pid and creation time, and its folders."""
        processes = self.seen | {process for process in psutil.process_iter() if self._is_marked(process)}
        left = []
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                if is_running(process):
                    left.append(f"process {process.pid}: {' '.join(process.cmdline())}")
        return left + [f"folder {path}" for path in self.folder.iterdir()]

    def _is_marked(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            return self._variable in process.environ().items()
        return False

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            self.look()
            assert self.process.poll() is None, f"it ended with status {self.process.returncode} before {what}"
            assert time.monotonic() < end_s, f"{what} did not happen within {DEADLINE_S} s"
            time.sleep(0.02)
        self.look()


@contextmanager
def running(command: list[str], folder: Path, cwd: Path) -> Iterator[Run]:
    folder.chmod(0o711)  # root's PostgreSQL is nobody's
    run = Run(command, folder, cwd)
    try:
        yield run
    finally:
        for process in run.seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        run.process.wait()


def kill_and_expect_nothing(run: Run, number: signal.Signals) -> None:
    run.process.send_signal(number)
    assert run.process.wait(timeout=DEADLINE_S) == -number
    end_s = time.monotonic() + DEADLINE_S
    while left := run.left():
        assert time.monotonic() < end_s, left
        time.sleep(0.02)
    assert len(run.seen) > 1, "nothing was started that could have been left"


def anything(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(folder.glob(pattern))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("place", "pattern"),
    [
        ("folder", "plantkeeper-*"),
        ("logs", "initdb.log"),
        ("folder", "plantkeeper-*/pg/data/base"),
        ("logs", "postgres.log"),
        ("logs", "db-migrate.log"),
        ("logs", "gateway.log"),
    ],
)
def test_a_stack(number: signal.Signals, place: str, pattern: str, short_folder: Path, tmp_path: Path) -> None:
    with running(["-c", STACK, str(tmp_path)], short_folder, tmp_path) as run:
        run.wait_for(anything(short_folder if place == "folder" else tmp_path, pattern), pattern)
        kill_and_expect_nothing(run, number)


@pytest.fixture
def checkout(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """A copy of what `hil sim` needs, so that a build that is killed is this test's own."""
    root = tmp_path / "checkout"
    for name in ("firmware", "tests/system"):
        shutil.copytree(pytestconfig.rootpath / name, root / name, ignore=shutil.ignore_patterns(".pio"))
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(pytestconfig.rootpath / name, root)
    return root


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("pattern", ["build/firmware/build-*.log", "build/sim/logs/initdb.log"])
def test_hil_sim(number: signal.Signals, pattern: str, short_folder: Path, checkout: Path) -> None:
    with running(["-m", "plantkeeper_hil", "sim", "--hours=1"], short_folder, checkout) as run:
        run.wait_for(anything(checkout, pattern), pattern)
        kill_and_expect_nothing(run, number)
