"""A paced board in a process, and real avrdude."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plantkeeper_sim.paced.process import BoardProcess

Upload = Callable[[Path], "subprocess.CompletedProcess[str]"]
AVRDUDE = ("avrdude", "-p", "atmega328p", "-c", "arduino", "-b", "115200", "-D")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardProcess]:
    """A board with only its bootloader, device 7."""
    with BoardProcess.start(tmp_path, device_id=7) as board:
        yield board


@pytest.fixture
def avrdude(board: BoardProcess) -> Callable[[Path], list[str]]:
    """The command that uploads a .hex."""
    return lambda image: [*AVRDUDE, "-P", str(board.port), "-U", f"flash:w:{image}:i"]
