"""What a forwarder counts, for health and metrics."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

# seconds from the gateway's answer to the backend's
LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0)


@dataclass
class Tally:
    """Counters since the start of the process, and what is wrong now.

    Args:
        latency_counts: deliveries by `LATENCY_BOUNDS_S`, the last one beyond all bounds.
        alarms: text by name: `certificate` (the backend cannot prove who it is), `backend` (it does not answer).
    """

    delivered: int = 0
    retried: int = 0
    dead: int = 0
    latency_sum_s: float = 0.0
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    certificate_expires_s: float | None = None
    alarms: dict[str, str] = field(default_factory=dict)

    def count_delivery(self, latency_s: float) -> None:
        """Another reading arrived, so long after it was taken."""
        self.delivered += 1
        self.latency_sum_s += max(0.0, latency_s)
        self.latency_counts[bisect_left(LATENCY_BOUNDS_S, latency_s)] += 1

    def counters(self) -> dict[str, Any]:
        """As it is kept in the database."""
        return {
            "delivered": self.delivered,
            "retried": self.retried,
            "dead": self.dead,
            "latency_sum_s": round(self.latency_sum_s, 6),
            "latency_bounds_s": LATENCY_BOUNDS_S,
            "latency_counts": list(self.latency_counts),
            "certificate_expires_s": self.certificate_expires_s,
        }
