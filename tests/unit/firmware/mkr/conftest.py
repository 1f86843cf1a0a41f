"""The MKR WiFi 1010's firmware on the host (tests/support/mkr_board.py)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mkr_board import DEFINES, FAKES, SANITIZERS, STORE_BYTES, STRICT, Bench, configure, sources


@pytest.fixture(scope="session")
def mkr_program(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    assert compiler, "no C++ compiler; on Debian: apt-get install g++"
    found = sources(pytestconfig.rootpath)
    program = tmp_path_factory.mktemp("mkr") / "board"
    fakes = sorted(FAKES.glob("*.cpp"))
    command = [compiler, *STRICT, *SANITIZERS, *DEFINES, *found.includes, *map(str, (*found.files, *fakes))]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


@pytest.fixture
def bench(mkr_program: Path, tmp_path: Path) -> Iterator[Bench]:
    """A board that nobody configured, its flash erased."""
    with ExitStack() as stack:
        bench = Bench(mkr_program, tmp_path / "flash", stack)
        bench.put(b"\xff" * STORE_BYTES)
        yield bench


@pytest.fixture
def configured(bench: Bench) -> Bench:
    """A board that is set up, its power off."""
    configure(bench.start())
    return bench
