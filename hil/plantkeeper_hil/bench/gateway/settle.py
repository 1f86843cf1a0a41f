"""Waits until a server has delivered all that it accepted, so that one measurement leaves no work to the next."""

from __future__ import annotations

import time

from plantkeeper_hil.bench.gateway.peers.base import Running

SETTLE_TIMEOUT_S = 60.0
POLL_S = 0.05


def settle(running: Running, *, timeout_s: float = SETTLE_TIMEOUT_S) -> int:
    """Wait until nothing waits, or the time is over; returns what still waits."""
    if running.waiting is None:
        return 0
    deadline_s = time.monotonic() + timeout_s
    while (left := running.waiting()) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return left
