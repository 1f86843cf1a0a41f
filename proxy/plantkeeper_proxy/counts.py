"""What the gateway counts about requests: plain numbers under one lock, made into metrics only when somebody asks.

Why not prometheus_client's counters here: each of them takes a lock of its own and a few dictionary look-ups, which is
several times what all of this costs a reading (docs/operations.md, "What counting costs").
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from plantkeeper_proxy.ingest import Stored

LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
_NEW = Stored.NEW  # looking a member up in its Enum takes longer than counting it


@dataclass
class Buckets:
    """A histogram.

    Args:
        bounds: upper bounds, each within its bucket.
        counts: by `bounds`, the last one beyond all.
        total: sum of all that was put in.
    """

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def put(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Buckets:
        """As it is now."""
        return Buckets(self.bounds, list(self.counts), self.total)


@dataclass(frozen=True)
class Totals:
    """Counts since the start of the process.

    Args:
        stored: readings that were answered 200, by what became of them.
        refused: by reason.
        latency_s: of readings answered 200, from the request being whole to its answer.
        batches: sizes of transactions.
    """

    stored: dict[Stored, int]
    refused: dict[str, int]
    latency_s: Buckets
    batches: Buckets


class Counts:
    """Counts requests. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new = self._repeated = 0  # no dictionary: hashing a member of an Enum costs more than all the rest
        self._refused: dict[str, int] = {}
        self._latency_s = Buckets(LATENCY_BOUNDS_S)
        self._batches = Buckets(BATCH_BOUNDS)

    def accepted(self, stored: Stored, latency_s: float) -> None:
        """A reading was answered 200, so long after its request was whole."""
        at = bisect_left(LATENCY_BOUNDS_S, latency_s)
        buckets = self._latency_s
        with self._lock:
            if stored is _NEW:
                self._new += 1
            else:
                self._repeated += 1
            buckets.counts[at] += 1
            buckets.total += latency_s

    def refused(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._refused[reason] = self._refused.get(reason, 0) + 1

    def batch(self, size: int) -> None:
        """So many readings went into one transaction."""
        with self._lock:
            self._batches.put(size)

    def totals(self) -> Totals:
        """As they are now."""
        with self._lock:
            stored = {Stored.NEW: self._new, Stored.REPEATED: self._repeated}
            return Totals(stored, dict(self._refused), self._latency_s.copy(), self._batches.copy())
