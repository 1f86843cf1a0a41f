"""What forwarders are still to be told: which devices sent something, at most every 50 ms. Pure but for its clock.

A notification costs PostgreSQL a quarter of what a lone reading does (docs/decisions/0010-commits.md), and a forwarder
that was told looks for more by itself only a tenth of a second later. So the first news after a quiet time goes along
with its reading; what follows shortly after is told together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

SPACING_S = 0.05
NAMED_AT_MOST = 500  # devices: a notification takes 8000 bytes


class Telling(NamedTuple):
    """A notification.

    Args:
        payload: device numbers, or nothing: look for yourself.
        devices: that it tells of.
    """

    payload: str
    devices: frozenset[int]


class News:
    """Devices that forwarders have not heard of yet.

    Whatever a gateway that died had still to tell is told by the first news of the next: to look for oneself.

    Args:
        clock_s: a clock that never goes back.
        spacing_s: from one notification to the next at least.
    """

    def __init__(self, clock_s: Callable[[], float], *, spacing_s: float = SPACING_S) -> None:
        self._clock_s, self._spacing_s = clock_s, spacing_s
        self._owed: set[int] = set()
        self._told_s = float("-inf")
        self._told_ever = False

    def owe(self, devices: Iterable[int]) -> None:
        """These devices sent something."""
        self._owed.update(devices)

    @property
    def due_in_s(self) -> float | None:
        """When it is time to tell; None where there is nothing to tell."""
        return max(0.0, self._told_s + self._spacing_s - self._clock_s()) if self._owed else None

    def telling(self, *, at_once: bool = False) -> Telling | None:
        """The notification to be sent now, if there is one; to be confirmed by `told`.

        Args:
            at_once: whenever the last one was.
        """
        if self.due_in_s != 0.0 and not (at_once and self._owed):
            return None
        unnamed = not self._told_ever or len(self._owed) > NAMED_AT_MOST
        return Telling("" if unnamed else ",".join(map(str, self._owed)), frozenset(self._owed))

    def told(self, telling: Telling) -> None:
        """It was committed."""
        self._owed -= telling.devices
        self._told_s, self._told_ever = self._clock_s(), True
