"""What forwarders are still to be told: which devices sent something. Pure but for its clock.

A notification costs PostgreSQL a quarter of what a lone reading does (docs/decisions/0010-commits.md), and a forwarder
that was told looks for more by itself only a tenth of a second later. So the first news after a quiet time goes along
with its reading; what follows within 50 ms is told together, and sooner where it is much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

SPACING_S = 0.05
MUCH = 16  # devices: one notification for so many costs next to nothing
PAYLOAD_CHARACTERS = 7_900  # a notification takes 8000 bytes (PostgreSQL's documentation of NOTIFY)
KEPT = 10_000  # devices; whoever makes up numbers while nothing can be told fills no memory


class Telling(NamedTuple):
    """A notification.

    Args:
        payload: device numbers, or nothing: look for yourself.
        devices: that it tells of.
        serial: of what was owed by then; a reading that comes after it is not told by it.
        overflows: how often there were too many to keep by then.
    """

    payload: str
    devices: frozenset[int]
    serial: int
    overflows: int


class News:
    """Devices that forwarders have not heard of yet.

    Whatever a gateway that died had still to tell is told by the first news of the next: to look for oneself.

    Args:
        clock_s: a clock that never goes back.
        spacing_s: from one notification to the next, unless there is much to tell.
    """

    def __init__(self, clock_s: Callable[[], float], *, spacing_s: float = SPACING_S) -> None:
        self._clock_s, self._spacing_s = clock_s, spacing_s
        self._owed: dict[int, int] = {}  # the serial of the latest that each sent
        self._serial = 0
        self._told_s = float("-inf")
        self._overflows, self._overflows_told = 1, 0  # the one before us may have owed anything

    def owe(self, devices: Iterable[int]) -> None:
        """These devices sent something."""
        self._serial += 1
        self._owed.update(dict.fromkeys(devices, self._serial))
        if len(self._owed) > KEPT:
            self._owed.clear()
            self._overflows += 1

    @property
    def due_in_s(self) -> float | None:
        """When it is time to tell; None where there is nothing to tell."""
        if not self._owed and self._overflows == self._overflows_told:
            return None
        if len(self._owed) >= MUCH:
            return 0.0
        return max(0.0, self._told_s + self._spacing_s - self._clock_s())

    def telling(self, *, at_once: bool = False) -> Telling | None:
        """The notification to be sent now, if there is one; to be confirmed by `told`.

        Args:
            at_once: whenever the last one was.
        """
        due_in_s = self.due_in_s
        if due_in_s is None or (due_in_s > 0.0 and not at_once):
            return None
        if self._overflows > self._overflows_told:
            return Telling("", frozenset(self._owed), self._serial, self._overflows)
        payload = ",".join(map(str, self._owed))
        if len(payload) <= PAYLOAD_CHARACTERS:
            return Telling(payload, frozenset(self._owed), self._serial, 0)
        payload = payload[: payload.rindex(",", 0, PAYLOAD_CHARACTERS)]  # the others next time
        return Telling(payload, frozenset(map(int, payload.split(","))), self._serial, 0)

    def told(self, telling: Telling) -> None:
        """It was committed; another may be on its way."""
        for device_id in telling.devices:
            if self._owed.get(device_id, telling.serial + 1) <= telling.serial:
                del self._owed[device_id]
        self._overflows_told = max(self._overflows_told, telling.overflows)
        self._told_s = self._clock_s()
