"""Virtual time follows the wall clock, and never leaps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from plantkeeper_sim.paced.pacer import Pacer

HZ = 16_000_000


def test_it_keeps_time_without_drift() -> None:
    pacer = Pacer(HZ, now_s=100.0, cycles=500)
    cycles = 500
    for tick in range(1, 1001):
        cycles = pacer.target(100.0 + tick * 0.002, cycles) + 3  # a run ends at an instruction boundary
    assert cycles == 500 + 2 * HZ + 3


def test_what_is_late_beyond_the_limit_is_given_up() -> None:
    pacer = Pacer(HZ, now_s=0.0, cycles=0, max_lag_s=0.05)
    assert pacer.target(10.0, 0) == HZ // 20
    assert pacer.target(10.01, HZ // 20) == HZ // 20 + HZ // 100


@settings(derandomize=True)
@given(st.lists(st.floats(0, 1), max_size=50))
def test_it_never_goes_back_nor_further_than_the_limit(pauses_s: list[float]) -> None:
    pacer, now_s, cycles = Pacer(HZ, now_s=0.0, cycles=0), 0.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        target = pacer.target(now_s, cycles)
        assert cycles <= target <= cycles + HZ // 20
        assert target <= now_s * HZ + 1
        cycles = target
