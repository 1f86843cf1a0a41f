"""Locks between processes: held by one, told to others, let go of by the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plantkeeper_hil.locks import Holder, Lock, LockedError, exclusive

HOLD = """
import sys
from pathlib import Path
from plantkeeper_hil.locks import Lock
lock = Lock(Path(sys.argv[1]), "board bench-1")
lock.acquire("soldering", now_s=1000.0)
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.slow
def test_a_lock_is_held_by_one_process_and_told_to_others(tmp_path: Path) -> None:
    path = tmp_path / "bench-1.lock"
    other = holder(path)
    lock = Lock(path, "board bench-1")
    with pytest.raises(LockedError, match=rf"board bench-1 is held by process {other.pid} \(soldering\), for \d+ s"):
        lock.acquire("tests")
    assert lock.state().held
    assert lock.state().holder == Holder(other.pid, "soldering", 1000.0)
    other.communicate(timeout=10)
    lock.acquire("tests")
    lock.release()


@pytest.mark.slow
def test_a_killed_holder_lets_go_and_its_record_is_known_as_stale(tmp_path: Path) -> None:
    path = tmp_path / "bench-1.lock"
    other = holder(path)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate(timeout=10)
    lock = Lock(path, "board bench-1")
    assert (lock.state().held, lock.state().holder) == (False, Holder(other.pid, "soldering", 1000.0))
    lock.acquire("tests")
    now = lock.state().holder
    assert now is not None
    assert (now.pid, now.reason) == (os.getpid(), "tests")
    lock.release()


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "x.lock", "x"), Lock(tmp_path / "x.lock", "x")
    first.acquire("one")
    with pytest.raises(LockedError):
        second.acquire("two")
    first.release()
    assert (first.state().held, first.state().holder) == (False, None)
    second.acquire("two")
    second.release()
    second.release()


def test_what_cannot_be_locked_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LockedError, match="no lock file"):
        Lock(tmp_path / "file" / "x.lock", "board x").acquire("tests")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "reason": "", "since_s": 0}'])
def test_a_damaged_record_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.lock").write_text(content)
    assert Lock(tmp_path / "x.lock", "x").state().holder is None


def test_a_lock_that_was_never_held(tmp_path: Path) -> None:
    assert not Lock(tmp_path / "none.lock", "x").state().held


def test_exclusive_blocks_are_left_again(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path / "folder" / "build.lock"):
            pass
