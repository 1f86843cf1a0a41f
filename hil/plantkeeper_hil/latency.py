"""Latency of readings from board to backend, as order statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """Wall-clock time from a board's POST on the wire to the backend's answer, in milliseconds."""

    p50_ms: float
    p99_ms: float
    count: int


def summarise(latencies_s: Sequence[float]) -> Latency | None:
    """Median and 99th percentile (nearest rank) of latencies in seconds; None where there are none."""
    if not latencies_s:
        return None
    ordered = sorted(latencies_s)
    return Latency(
        p50_ms=1000 * _nearest_rank(ordered, 0.50),
        p99_ms=1000 * _nearest_rank(ordered, 0.99),
        count=len(ordered),
    )


def _nearest_rank(ordered: Sequence[float], quantile: float) -> float:
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]
