"""The janitor ends what it was told to, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from plantkeeper_hil.stack.janitor import clean_up

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


def test_processes_are_ended_and_folders_removed(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    folder = tmp_path / "of the run"
    folder.mkdir()
    (folder / "file").touch()
    created = psutil.Process(sleeper.pid).create_time()
    clean_up([f"folder {folder}\n", f"process {sleeper.pid} {created}\n"])
    assert sleeper.wait(timeout=5) != 0
    assert not folder.exists()
    assert tmp_path.exists()


def test_a_pid_that_was_used_again_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    clean_up([f"process {sleeper.pid} {psutil.Process(sleeper.pid).create_time() - 100}\n"])
    assert sleeper.poll() is None


def test_what_is_gone_already_is_no_trouble() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    created = psutil.Process(process.pid).create_time()
    process.wait()
    clean_up([f"process {process.pid} {created}\n", "folder /no/such/folder\n"])
