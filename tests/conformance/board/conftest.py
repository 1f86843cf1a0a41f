"""Every kind of board, running the firmware just built; the gateway answers as the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pty_device import PacedUno

from plantkeeper_hil.board.base import Board
from plantkeeper_hil.board.emulated import EmulatedBoard
from plantkeeper_hil.board.serial import SerialBoard
from plantkeeper_sim.board import UnoBoard


@pytest.fixture(params=["emulated", pytest.param("serial", marks=[pytest.mark.slow, pytest.mark.integration])])
def any_board(request: pytest.FixtureRequest, new_board: Callable[..., UnoBoard]) -> Iterator[Board]:
    uno = new_board(period_s=4)
    if request.param == "emulated":
        with EmulatedBoard(uno) as emulated:
            yield emulated
    else:
        with PacedUno(uno) as device, SerialBoard("bench-1", device.path) as at_port:
            yield at_port
