"""One load on one server, with all that can be measured beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.figures import Row
from plantkeeper_hil.bench.gateway.load import Load
from plantkeeper_hil.bench.gateway.measure import cpu_s, pss_mb
from plantkeeper_hil.bench.gateway.peers.base import Running
from plantkeeper_hil.bench.gateway.wire import Posting

SETTLE_TIMEOUT_S = 120.0
POLL_S = 0.05


def observe(
    scenario: str,
    running: Running,
    backend: Backend,
    posting: Posting,
    *,
    boards: int,
    load: Callable[[], Load],
    extra: Mapping[str, Any] | None = None,
) -> Row:
    """Put load on a server, and say what it did meanwhile.

    Raises:
        PeerError: it accepted nothing.
    """
    roots = list(running.services.values())
    waiting_before = running.waiting() if running.waiting else 0
    cpu_before_s, delivered_before, begin_s = cpu_s(roots), backend.delivered(), time.monotonic()
    seen = load()
    elapsed_s = time.monotonic() - begin_s
    delivered, used_s = backend.delivered() - delivered_before, cpu_s(roots) - cpu_before_s
    waiting = running.waiting() if running.waiting else 0
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
        pss_mb=pss_mb(roots),
        generator_share=seen.generator_share,
        extra={
            "refused": seen.refused,
            "broken": seen.broken,
            "waiting_before": waiting_before,
            "waiting_after": waiting,
            "generator_bound": seen.generator_bound,
            **(extra or {}),
        },
    )


def settle(running: Running, *, timeout_s: float = SETTLE_TIMEOUT_S) -> int:
    """Wait until all is delivered, so that one measurement leaves no work to the next; returns what still waits."""
    if running.waiting is None:
        return 0
    deadline_s = time.monotonic() + timeout_s
    while (left := running.waiting()) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return left


def posting_for(posting: Posting, *, needs_host: bool, boot: int) -> Posting:
    """How boards post to this server: without `Host` where it takes that and the wire has none."""
    return replace(posting, host=needs_host or posting.wire == "firmware", boot=boot)
