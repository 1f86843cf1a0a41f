"""firmware/lib compiled for the host with sanitizers, one process for all tests of a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

STRICT = ["-std=c++11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

COVERAGE_DIR = "PLANTKEEPER_COVERAGE_DIR"

Ask = Callable[[str], str]


@pytest.fixture(scope="session")
def driver_program(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    assert compiler, "no C++ compiler; on Debian: apt-get install g++"
    lib = pytestconfig.rootpath / "firmware" / "lib"
    folder, flags = tmp_path_factory.mktemp("firmware"), SANITIZERS
    if COVERAGE_DIR in os.environ:  # of one process, so without -n: `nox -s coverage`
        folder, flags = pytestconfig.rootpath / os.environ[COVERAGE_DIR], ["--coverage", "-O0"]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    program = folder / "driver"
    includes = [f"-I{folder}" for folder in sorted(lib.iterdir()) if folder.is_dir()]
    sources = [*map(str, sorted(lib.glob("*/*.cpp"))), str(Path(__file__).with_name("driver.cpp"))]
    subprocess.run([compiler, *STRICT, *flags, *includes, *sources, "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="session")
def ask(driver_program: Path) -> Iterator[Ask]:
    """Ask the driver; a finding of a sanitizer ends it, and the test shows what it said."""
    process = subprocess.Popen(
        [driver_program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def one(question: str) -> str:
        stdin.write(question + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            process.wait(timeout=10)
            raise AssertionError(f"{question!r} ended the driver:\n{process.stderr.read() if process.stderr else ''}")
        return answer.rstrip("\n")

    yield one
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
