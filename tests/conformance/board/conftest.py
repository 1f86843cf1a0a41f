"""Every kind of board, running the firmware just built; the gateway answers as the test chooses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.board.base import Board
from plantkeeper_hil.board.cassette import Cassette, placed
from plantkeeper_hil.board.emulated import EmulatedBoard
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.board.serial import SerialBoard
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.stack.service import listening_socket
from plantkeeper_hil.traffic.relay import Relay
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.paced.process import BoardProcess
from plantkeeper_sim.provision import GATEWAY, GATEWAY_PORT

SETTLE_S = 10.0


@pytest.fixture
def paced(tmp_path: Path, firmware: BuildResult, scripted: Any) -> Iterator[BoardProcess]:
    """A board in real time at a pty, with its boot loader."""
    routes = [((str(GATEWAY), GATEWAY_PORT), scripted.address)]
    with BoardProcess.start(tmp_path, firmware=firmware.elf, device_id=7, period_s=4, routes=routes) as process:
        yield process


def record(request: pytest.FixtureRequest, uno: UnoBoard, relay: Relay) -> Cassette:
    """Run the very test on an emulated board, and keep what went over console and wire."""
    function: Callable[..., None] = request.function
    names = inspect.signature(function).parameters
    uno.network.map(str(GATEWAY), GATEWAY_PORT, to=relay.address)
    with EmulatedBoard(uno) as live:
        function(**{name: live if name == "any_board" else request.getfixturevalue(name) for name in names})
    assert relay.settle(SETTLE_S)
    return Cassette(live.name, live.calls, live.lines, placed(relay.connections(), live.lines))


@pytest.fixture(
    params=["emulated", "recorded", pytest.param("serial", marks=[pytest.mark.slow, pytest.mark.integration])]
)
def any_board(
    request: pytest.FixtureRequest, new_board: Callable[..., UnoBoard], scripted: Any, tmp_path: Path
) -> Iterator[Board]:
    if request.param == "emulated":
        with EmulatedBoard(new_board(period_s=4)) as emulated:
            yield emulated
    elif request.param == "recorded":
        path = tmp_path / "cassette.json"
        with Relay(listening_socket(), to=scripted.address) as relay:
            record(request, new_board(period_s=4), relay).save(path)
        scripted.requests.clear()
        with RecordedBoard(Cassette.load(path), gateway=scripted.address) as recorded:
            yield recorded
            recorded.check_finished()
    else:
        process: BoardProcess = request.getfixturevalue("paced")
        with SerialBoard("bench-1", str(process.port), power_cycle=process.power_cycle) as at_port:
            yield at_port
