"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 300.0


def delay_s(attempts: int, random: float, *, asked_s: float | None = None) -> float:
    """Seconds until the next attempt: exponential with full jitter, so that devices do not come all at once.

    Args:
        attempts: failed so far, from 1.
        random: 0 ≤ random < 1; the share of the full delay, which doubles with each attempt up to 300 s.
        asked_s: what the backend asked for (Retry-After); never less than that, up to 300 s.
    """
    full_s = min(LONGEST_S, FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 32))
    return min(LONGEST_S, max(full_s * random, asked_s or 0.0))
