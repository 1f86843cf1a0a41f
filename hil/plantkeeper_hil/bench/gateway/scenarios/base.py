"""One load on one server, with all that can be measured beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.load import Load
from plantkeeper_hil.bench.gateway.measure import busy_s, cpu_s, pss_mb
from plantkeeper_hil.bench.gateway.peers.base import Running
from plantkeeper_hil.bench.gateway.settle import settle
from plantkeeper_hil.bench.gateway.wire import Posting


def observe(
    scenario: str,
    running: Running,
    backend: Backend,
    posting: Posting,
    *,
    boards: int,
    load: Callable[[], Load],
    extra: Mapping[str, Any] | None = None,
    to_the_end: bool = False,
) -> Row:
    """Put load on a server, and say what it did meanwhile.

    Args:
        load: puts the load on, and returns when it is over.
        to_the_end: count the CPU time of delivering what still waits then, too.

    Raises:
        PeerError: it accepted nothing, or what it accepted is not stored.
    """
    roots = list(running.services.values())
    waiting_before = running.waiting() if running.waiting else 0
    stored_before = running.stored() if running.stored else 0
    foreign_before_s = busy_s() - cpu_s([os.getpid()])
    cpu_before_s = cpu_s(roots, but=running.observers)
    delivered_before, begin_s = backend.delivered(), time.monotonic()
    seen = load()
    elapsed_s = time.monotonic() - begin_s
    delivered = backend.delivered() - delivered_before
    foreign_s = busy_s() - cpu_s([os.getpid()]) - foreign_before_s
    waiting = running.waiting() if running.waiting else 0
    if to_the_end:
        settle(running)
    used_s = cpu_s(roots, but=running.observers) - cpu_before_s
    stored = running.stored() - stored_before if running.stored else None
    if stored is not None and stored < seen.accepted:
        raise PeerError(
            f"{running.name} answered 200 to {seen.accepted} readings and stored {stored}: no figure counts"
        )
    if not seen.accepted:
        raise PeerError(f"{running.name} accepted nothing: {seen}")
    return Row(
        scenario,
        running.name,
        posting.mode,
        boards,
        wire=posting.wire,
        accepted_per_s=seen.accepted_per_s,
        delivered_per_s=delivered / elapsed_s,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        cpu_s_per_10k=used_s / seen.accepted * 10_000,
        pss_mb=pss_mb(roots, but=running.observers),
        generator_share=seen.generator_share,
        extra={
            "refused": seen.refused,
            "broken": seen.broken,
            "stored": stored,
            "waiting_before": waiting_before,
            "waiting_after": waiting,
            "generator_bound": seen.generator_bound,
            "foreign_cores": foreign_s / elapsed_s,  # what others took of the machine: noise
            "generator_lag_p99_ms": seen.lag_p99_ms,
            **(extra or {}),
        },
    )


def describe(row: Row, when: str) -> str:
    """A line for the person who waits."""
    boards = f"{row.boards} boards" if row.boards else "open loop"
    return (
        f"{when}: {row.scenario}, {row.name}, {row.mode}, {row.wire}, {boards}: "
        f"{row.accepted_per_s or 0:.0f}/s accepted, {row.delivered_per_s or 0:.0f}/s delivered, "
        f"p50 {row.p50_ms or 0:.1f} ms, p99 {row.p99_ms or 0:.1f} ms"
    )
