"""The C core under address and undefined-behaviour sanitizers: the tests beside this one that move its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plantkeeper_sim.avr import binding

pytestmark = [pytest.mark.sanitize, pytest.mark.slow]

FLAGS = ["-std=gnu11", "-O0", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TESTS = ("test_spm.py", "test_snapshot.py", "test_usart.py")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core's sources, sanitized."""
    compiler = next((path for name in ("cc", "gcc") if (path := shutil.which(name))), None)
    assert compiler, "no C compiler; on Debian: apt-get install gcc"
    library = tmp_path_factory.mktemp("core") / "core.so"
    sources = sorted(map(str, binding.HEADER.parent.glob("*.c")))
    subprocess.run([compiler, *FLAGS, *SANITIZERS, *sources, "-o", str(library)], check=True)
    return library


def runtime() -> str:
    """The sanitizer's library, which must be there before Python."""
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def sanitized(command: list[str], core: Path, root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "LD_PRELOAD": runtime(),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
        "PLANTKEEPER_TEST_CORE": str(core),
        "PYTHONPATH": str(root / "tests" / "support"),
    }
    return subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


def test_nothing_is_found(core: Path, pytestconfig: pytest.Config) -> None:
    tests = [str(Path("tests/unit/avr") / name) for name in TESTS]
    ran = sanitized(["-m", "pytest", "-p", "sanitized_core", *tests], core, pytestconfig.rootpath)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"emulator core: {core}" in ran.stdout


def test_it_would_be_found(core: Path, pytestconfig: pytest.Config) -> None:
    """The control: a flash read into too small a buffer ends the process."""
    overflow = (
        "from sanitized_core import binding; ffi, lib = binding.load(); "
        "libc = ffi.__class__(); libc.cdef('void *malloc(size_t);'); "
        "small = libc.dlopen(None).malloc(16); "
        "lib.avr_flash_read(lib.avr_flash_new(b'', 0, 1), ffi.cast('uint8_t *', int(libc.cast('uintptr_t', small))))"
    )
    ran = sanitized(["-c", overflow], core, pytestconfig.rootpath)
    assert ran.returncode != 0
    assert "heap-buffer-overflow" in ran.stderr
