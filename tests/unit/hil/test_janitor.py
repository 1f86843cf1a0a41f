"""The janitor ends what it was told to and what belongs to it, and nothing else."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from plantkeeper_hil.stack import janitor
from plantkeeper_hil.stack.janitor import Watched, clean_up, is_running

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
# tells its child's pid and ends, so that the child has no parent of ours any more
ORPHANER = f"""
import subprocess, sys
print(subprocess.Popen({SLEEPER!r}, stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


def test_commands_are_run_while_the_folders_are_still_there(tmp_path: Path) -> None:
    folder, witness = tmp_path / "of the run", tmp_path / "witness"
    folder.mkdir()
    script = f"import pathlib; pathlib.Path({str(witness)!r}).write_text(str(pathlib.Path({str(folder)!r}).exists()))"
    words = json.dumps([sys.executable, "-c", script])
    clean_up([f"folder {folder}\n", f"command {words}\n", 'command ["no such program"]\n'])
    assert (witness.read_text(), folder.exists()) == ("True", False)


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


@pytest.mark.slow
def test_what_a_process_left_in_its_session_is_ended_though_it_is_gone_itself() -> None:
    command = [sys.executable, "-c", ORPHANER]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    created = psutil.Process(process.pid).create_time()
    assert process.stdout is not None
    orphan = psutil.Process(int(process.stdout.readline()))
    process.communicate("")
    assert is_running(orphan)
    assert Watched(process.pid, created).members() == [orphan]
    clean_up([f"process {process.pid} {created}\n"])
    with contextlib.suppress(psutil.NoSuchProcess):
        assert not is_running(orphan)


def test_a_folder_is_removed_again_while_somebody_still_writes_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of the run"
    folder.mkdir()
    removed = []
    rmtree = shutil.rmtree

    def remove_and_have_it_written_again(path: Path, *, ignore_errors: bool) -> None:
        rmtree(path, ignore_errors=ignore_errors)
        removed.append(path)
        if len(removed) < 3:
            path.mkdir()

    monkeypatch.setattr(shutil, "rmtree", remove_and_have_it_written_again)
    janitor.remove(folder)
    assert removed == [folder] * 3
    assert not folder.exists()


def test_a_folder_that_cannot_be_removed_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda _path, *, ignore_errors: None)
    started_s = time.monotonic()
    janitor.remove(tmp_path, within_s=0.1)
    assert 0.1 <= time.monotonic() - started_s < 5
