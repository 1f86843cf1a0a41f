"""A pytest plugin: the emulator's C core from another library, which the environment names (PLANTKEEPER_TEST_CORE)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from plantkeeper_sim.avr import binding

CORE = Path(os.environ["PLANTKEEPER_TEST_CORE"])
_load = binding.load


@cache
def _from_environment() -> tuple[Any, Any]:
    return _load(CORE)


binding.load = _from_environment  # the machine calls it without arguments


def pytest_report_header() -> str:
    """So that whoever started this sees which core ran."""
    return f"emulator core: {CORE}"
