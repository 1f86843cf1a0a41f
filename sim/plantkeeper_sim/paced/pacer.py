"""How far a machine may run: virtual time follows the wall clock."""

from __future__ import annotations

MAX_LAG_S = 0.05


class Pacer:
    """Maps the wall clock to cycles.

    A host that is too busy makes the board slow; it never makes it leap: what it is late by beyond `max_lag_s` is
    given up, else a time-out on the board would fire before the host had its say.

    Args:
        clock_hz: of the machine.
        now_s: wall clock, monotonic, at `cycles`.
        cycles: of the machine.
        max_lag_s: what may be caught up.
    """

    def __init__(self, clock_hz: int, *, now_s: float, cycles: int, max_lag_s: float = MAX_LAG_S) -> None:
        self._clock_hz = clock_hz
        self._max_lag_cycles = round(max_lag_s * clock_hz)
        self._start(now_s, cycles)

    def _start(self, now_s: float, cycles: int) -> None:
        self._now_s, self._cycles = now_s, cycles

    def target(self, now_s: float, cycles: int) -> int:
        """The cycle up to which the machine should run now, `cycles` being where it is."""
        target = self._cycles + round((now_s - self._now_s) * self._clock_hz)
        if target - cycles > self._max_lag_cycles:
            target = cycles + self._max_lag_cycles
            self._start(now_s, target)
        return max(target, cycles)
