"""Phases and their times, against a model that looks at every key."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from plantkeeper_proxy.overdue import Overdue

TIMES_S = {"a": 1.0, "b": 3.0, "c": 0.5}
keys = st.integers(0, 5)


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.overdue: Overdue[int, str] = Overdue(TIMES_S)
        self.known: dict[int, tuple[str, float]] = {}
        self.now_s = 0.0

    @rule(key=keys, phase=st.sampled_from(sorted(TIMES_S)), later_s=st.integers(0, 8).map(lambda eighths: eighths / 8))
    def enter(self, key: int, phase: str, later_s: float) -> None:
        self.now_s += later_s
        self.overdue.enter(key, phase, self.now_s)
        self.known[key] = (phase, self.now_s)

    @rule(key=keys)
    def leave(self, key: int) -> None:
        self.overdue.leave(key)
        self.known.pop(key, None)

    @rule(later_s=st.integers(0, 16).map(lambda eighths: eighths / 8))
    def take(self, later_s: float) -> None:
        self.now_s += later_s
        due = {key: phase for key, (phase, since_s) in self.known.items() if since_s + TIMES_S[phase] <= self.now_s}
        taken = self.overdue.take(self.now_s)
        assert len(taken) == len(due)
        assert dict(taken) == due
        for key in due:
            del self.known[key]

    @invariant()
    def agree(self) -> None:
        for phase in TIMES_S:
            there = [(since_s, key) for key, (other, since_s) in self.known.items() if other == phase]
            assert self.overdue.count(phase) == len(there)
            oldest = self.overdue.oldest(phase)
            assert (oldest is None) == (not there)
            assert oldest is None or oldest[1] == min(there)[0]
        assert all(self.overdue.phase(key) == self.known.get(key, (None, 0))[0] for key in range(6))


TestModel = Model.TestCase
