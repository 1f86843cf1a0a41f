"""The loop's benchmark counts the memory of its own run's processes, and of no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from plantkeeper_hil.bench.loop import Memory, family, memory_of

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def start() -> Iterator[Callable[..., psutil.Process]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> psutil.Process:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return psutil.Process(process.pid)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_anothers_postgres_is_not_counted(start: Callable[..., psutil.Process], tmp_path: Path) -> None:
    (tmp_path / "postgres").symlink_to(sys.executable)
    stranger = start(str(tmp_path / "postgres"), "-c", WAIT, "/tmp/plantkeeper-of-somebody-else")
    assert stranger.name() == "postgres"
    # the innermost says that it is up, so all of them are what they are to become
    shell = (
        "import subprocess, sys; subprocess.run(['sh', '-c', '\"$0\" -c \"$1\"; :', *sys.argv[1:]], stdin=sys.stdin)"
    )
    ours = start(sys.executable, "-c", shell, sys.executable, WAIT)
    counted = family(ours)
    assert counted[0] == ours
    assert [process.name() for process in counted[1:]] == ["sh", ours.name()]
    assert stranger not in counted


def test_shared_pages_count_once_in_pss(start: Callable[..., psutil.Process]) -> None:
    processes = [start(sys.executable, "-c", WAIT) for _ in range(3)]
    memory = memory_of(processes)
    assert memory.rss_bytes > memory.pss_bytes > 1 << 20


def test_what_has_ended_occupies_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = psutil.Process(process.pid)
    process.communicate()
    assert family(gone) == []
    assert memory_of([gone]) == Memory(0, 0)
