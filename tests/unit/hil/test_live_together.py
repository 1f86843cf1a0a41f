"""Boards side by side: whenever the person has enough, all of them stop."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

import pytest

from plantkeeper_hil.run.boards import live_together
from plantkeeper_sim.avr import StopReason
from plantkeeper_sim.board import UnoBoard


class Board:
    """Lives until it is stopped."""

    def __init__(self, device_id: int) -> None:
        self.config, self.mcu, self.seed = SimpleNamespace(device_id=device_id), SimpleNamespace(time_s=0.0), 1
        self.thread: threading.Thread | None = None
        self.is_closed = False

    def run_for(self, _virtual_s: float) -> StopReason:
        self.thread = threading.current_thread()
        return StopReason.DEADLINE

    def events_named(self, _name: str) -> list[str]:
        return []

    def close(self) -> None:
        assert self.thread is None or not self.thread.is_alive()
        self.is_closed = True


@pytest.mark.parametrize("at", [0, 1, 2])
def test_ctrl_c_before_all_have_started_stops_those_that_have(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    boards = [Board(device_id) for device_id in (1, 2, 3)]
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def interrupted(thread: threading.Thread) -> None:
        if len(started) == at:
            raise KeyboardInterrupt
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        live_together(cast(list[UnoBoard], boards), float("inf"), progress=lambda _s: None)
    assert len(started) == at
    assert not any(thread.is_alive() for thread in started)
    assert all(board.is_closed for board in boards)
