"""How many connections fit into the files that a process may open."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from plantkeeper_proxy.descriptors import affordable


@pytest.mark.parametrize(
    ("wanted", "descriptors", "fit"),
    [(2000, 20_000, 2000), (2000, 1024, 704), (2000, 100, 1), (2000, resource.RLIM_INFINITY, 2000)],
)
def test_what_fits(wanted: int, descriptors: int, fit: int) -> None:
    assert affordable(wanted, 256, descriptors) == fit


def test_the_soft_limit_goes_up_to_the_hard_one() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 900));"
        "from plantkeeper_proxy.descriptors import raise_limit; print(raise_limit())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "900\n"
