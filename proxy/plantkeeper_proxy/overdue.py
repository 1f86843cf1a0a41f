"""Who has been in a phase for too long: a queue for each phase, a few dictionary operations a step. Pure.

One timer for all instead of one for each: a phase's time is the same for all, so that whoever entered first is due
first.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Phase = TypeVar("Phase", bound=Hashable)


class Overdue(Generic[Key, Phase]):
    """Phases of many keys.

    Args:
        times_s: how long each phase may last.
    """

    def __init__(self, times_s: Mapping[Phase, float]) -> None:
        self._times_s = dict(times_s)
        self._since_s: dict[Phase, dict[Key, float]] = {phase: {} for phase in times_s}
        self._phases: dict[Key, Phase] = {}

    def enter(self, key: Key, phase: Phase, now_s: float) -> None:
        """A key enters a phase, whatever it was in; `now_s` never goes back."""
        before = self._phases.get(key)
        if before is not None:
            del self._since_s[before][key]
        self._phases[key] = phase
        self._since_s[phase][key] = now_s

    def leave(self, key: Key) -> None:
        """A key leaves its phase, if it is in one."""
        phase = self._phases.pop(key, None)
        if phase is not None:
            del self._since_s[phase][key]

    def phase(self, key: Key) -> Phase | None:
        """The phase that a key is in."""
        return self._phases.get(key)

    def count(self, phase: Phase) -> int:
        """How many are in a phase."""
        return len(self._since_s[phase])

    def oldest(self, phase: Phase) -> tuple[Key, float] | None:
        """Who has been in a phase for longest, and since when."""
        return next(iter(self._since_s[phase].items()), None)

    def take(self, now_s: float) -> list[tuple[Key, Phase]]:
        """Those whose time is up; they leave."""
        due: list[tuple[Key, Phase]] = []
        for phase, since_s in self._since_s.items():
            bound_s = now_s - self._times_s[phase]
            for key, entered_s in since_s.items():
                if entered_s > bound_s:
                    break
                due.append((key, phase))
        for key, _ in due:
            self.leave(key)
        return due
