"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 300.0


def delay_s(attempts: int, random: float, *, asked_s: float | None = None) -> float:
    """Seconds until the next attempt: doubled with each, with jitter so that devices do not come all at once.

    Args:
        attempts: failed so far, from 1.
        random: 0 ≤ random < 1; gives 50–100 % of the full delay.
        asked_s: what the backend asked for (Retry-After); never less than that, up to 300 s.
    """
    full_s = min(LONGEST_S, FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 32))
    delay = full_s * (0.5 + 0.5 * random)
    return min(LONGEST_S, max(delay, asked_s or 0.0))
