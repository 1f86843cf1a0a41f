"""A circuit breaker for the whole backend: while it is down, one probe at a time finds out when it is back. Pure."""

from __future__ import annotations

from collections.abc import Callable

from plantkeeper_proxy.backoff import delay_s

FAILURES_TO_OPEN = 5
LONGEST_PROBE_S = 30.0


class Breaker:
    """Counts failures in a row over all devices.

    Args:
        random: 0 ≤ random() < 1, for the jitter of the pauses.
        failures_to_open: so many failures in a row, with no success between, mean that the backend is down.
    """

    def __init__(self, random: Callable[[], float], *, failures_to_open: int = FAILURES_TO_OPEN) -> None:
        self._random, self._failures_to_open = random, failures_to_open
        self._failures = 0
        self._probe_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """True while the backend is held to be down."""
        return self._failures >= self._failures_to_open

    def may_send(self, now_s: float, on_their_way: int, limit: int) -> int:
        """How many more readings may be sent now.

        Args:
            now_s: monotonic time.
            on_their_way: readings that are being sent.
            limit: how many at most.
        """
        if not self.is_open:
            return max(0, limit - on_their_way)
        return 1 if on_their_way == 0 and now_s >= self._probe_at_s else 0

    def next_s(self) -> float:
        """When the next probe may go (monotonic time); 0 where the breaker is closed."""
        return self._probe_at_s if self.is_open else 0.0

    def succeeded(self) -> None:
        """The backend answered as one that is well does."""
        self._failures = 0

    def failed(self, now_s: float, asked_s: float | None = None) -> None:
        """The backend did not answer, or answered that it cannot.

        What was on its way already when the breaker opened says nothing new: only a failed probe lengthens the pause.

        Args:
            now_s: monotonic time.
            asked_s: what it asked for (Retry-After).
        """
        if self.is_open and now_s < self._probe_at_s:
            self._probe_at_s = max(self._probe_at_s, now_s + min(asked_s or 0.0, 300.0))
            return
        self._failures += 1
        if self.is_open:
            probes = self._failures - self._failures_to_open + 1
            pause_s = min(LONGEST_PROBE_S, delay_s(probes, self._random()))
            self._probe_at_s = now_s + max(pause_s, min(asked_s or 0.0, 300.0))
