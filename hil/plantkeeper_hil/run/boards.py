"""Let several emulated boards live at once, one thread each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from plantkeeper_hil.errors import BoardRunError
from plantkeeper_sim.avr import StopReason
from plantkeeper_sim.board import UnoBoard

SLICE_S = 600.0  # virtual; between two slices a board looks whether it shall stop
SETTLE_S = 180.0  # virtual; by then the firmware has made all its attempts for the last reading


def settled(board: UnoBoard) -> bool:
    """Whether every reading that the board took was delivered or given up."""
    ended = len(board.events_named("delivered")) + len(board.events_named("dropped"))
    return ended >= len(board.events_named("taken"))


def live(board: UnoBoard, virtual_s: float, *, keep_on: Callable[[], bool], progress: Callable[[float], None]) -> None:
    """Run a board for `virtual_s`, then until its last reading is settled.

    Args:
        keep_on: asked between slices; False ends it early.
        progress: called with the virtual seconds that went by.
    """
    left_s = virtual_s
    while left_s > 0 and keep_on():
        step_s = min(SLICE_S, left_s)
        if board.run_for(step_s) is StopReason.HALTED:
            raise BoardRunError(
                f"device {board.config.device_id}: the CPU sleeps and nothing can wake it, at {board.mcu.time_s:.3f} "
                "virtual s; a firmware that waits needs a timer or an interrupt"
            )
        left_s -= step_s
        progress(step_s)
    settle_until_s = board.mcu.time_s + SETTLE_S
    while keep_on() and not settled(board) and board.mcu.time_s < settle_until_s:
        board.run_for(1.0)


def live_together(boards: Sequence[UnoBoard], virtual_s: float, *, progress: Callable[[float], None]) -> None:
    """Run boards side by side.

    Raises:
        BoardRunError: one of them failed; names it and its seed. The others were stopped.
        KeyboardInterrupt: the person had enough; all boards were stopped.
    """
    stop = threading.Event()
    failures: list[tuple[UnoBoard, BaseException]] = []
    lock = threading.Lock()

    def tick(seconds: float) -> None:
        with lock:
            progress(seconds)

    def work(board: UnoBoard) -> None:
        try:
            live(board, virtual_s, keep_on=lambda: not stop.is_set(), progress=tick)
        except BaseException as error:  # reported by the thread that waits
            failures.append((board, error))
            stop.set()

    threads = [threading.Thread(target=work, args=(board,), name=f"board-{board.config.device_id}") for board in boards]
    started: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        for thread in threads:
            thread.join()
    except BaseException:  # Ctrl-C, which may come before all have started
        stop.set()
        for thread in started:
            thread.join()
        raise
    finally:
        for board in boards:
            board.close()
    if failures:
        board, error = failures[0]
        raise BoardRunError(f"device {board.config.device_id}, seed {board.seed}: {error}") from error
