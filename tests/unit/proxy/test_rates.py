"""Token buckets against the definition of one, in exact arithmetic; bounds of memory; whose allowance is used up."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from plantkeeper_proxy.errors import TooOftenError
from plantkeeper_proxy.rates import Buckets, Rates

LIMIT, PERIOD_S = 4, 8  # a token every 2 s


class Model(RuleBasedStateMachine):
    """Every bucket as a number of tokens that grows with time."""

    def __init__(self) -> None:
        super().__init__()
        self.buckets = Buckets(LIMIT, PERIOD_S)
        self.now = Fraction(1000)
        self.tokens: dict[str, tuple[Fraction, Fraction]] = {}
        self.taken: dict[str, list[Fraction]] = {}

    def held(self, key: str) -> Fraction:
        tokens, since = self.tokens.get(key, (Fraction(LIMIT), self.now))
        return min(Fraction(LIMIT), tokens + (self.now - since) * LIMIT / PERIOD_S)

    @rule(eighths=st.integers(0, 40))
    def wait(self, eighths: int) -> None:
        self.now += Fraction(eighths, 8)

    @rule(key=st.sampled_from("abc"))
    def take(self, key: str) -> None:
        held = self.held(key)
        wait_s = self.buckets.take(key, float(self.now))
        if held >= 1:
            assert wait_s == 0
            self.tokens[key] = (held - 1, self.now)
            self.taken.setdefault(key, []).append(self.now)
        else:
            assert wait_s == float((1 - held) * PERIOD_S / LIMIT)

    @rule(key=st.sampled_from("abc"))
    def come_again_when_told(self, key: str) -> None:
        if self.held(key) < 1:
            self.now += Fraction(self.buckets.take(key, float(self.now)))
            self.take(key)
            assert self.taken[key][-1] == self.now

    @invariant()
    def no_window_lets_more_through_than_a_burst_and_the_rate(self) -> None:
        for times in self.taken.values():
            for first, begin in enumerate(times):
                for last in range(first, len(times)):
                    assert last - first + 1 <= LIMIT + (times[last] - begin) * LIMIT / PERIOD_S


TestModel = Model.TestCase


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=200), st.integers(1, 8))
def test_memory_is_bounded_and_whoever_was_forgotten_is_let_in(takes: list[tuple[int, int]], kept: int) -> None:
    bounded = Buckets(2, 4.0, kept=kept)
    now_s = 0.0
    for key, later in takes:
        now_s += later
        known = key in bounded
        assert bounded.take(key, now_s) == 0 or known
        assert len(bounded) <= kept


def test_full_buckets_are_forgotten() -> None:
    buckets = Buckets(60, 60.0)
    for number in range(10_000):
        buckets.take(number, number * 0.1)  # each is full again after a second
    assert len(buckets) < 30


def test_boards_are_not_hurt_by_the_default() -> None:
    rates = Rates()
    now_s = 0.0
    for _ in range(100):
        for _ in range(8):  # what a board's queue holds, sent at once
            rates.take_reading(7, "192.0.2.1", now_s)
        now_s += 300.0
    for _ in range(60):
        rates.take_reading(7, "192.0.2.1", now_s)
    with pytest.raises(TooOftenError, match="over 60 readings a minute from device 7") as error:
        rates.take_reading(7, "192.0.2.1", now_s)
    assert error.value.retry_after_s == 1


def test_a_stranger_uses_up_an_allowance_of_his_own() -> None:
    rates = Rates(device_per_minute=1)
    rates.take_reading(7, "203.0.113.66", 0.0)
    with pytest.raises(TooOftenError):
        rates.take_reading(7, "203.0.113.66", 0.0)
    rates.take_reading(7, "192.0.2.1", 0.0)


def test_addresses_and_no_limit_at_all() -> None:
    rates = Rates(device_per_minute=0, address_per_second=2)
    for _ in range(2):
        rates.take_request("192.0.2.1", 0.0)
    with pytest.raises(TooOftenError, match=r"over 2 requests a second from 192\.0\.2\.1") as error:
        rates.take_request("192.0.2.1", 0.0)
    assert error.value.retry_after_s == 1
    rates.take_request("192.0.2.2", 0.0)
    rates.take_request("192.0.2.1", 0.5)
    free = Rates(device_per_minute=0)
    for _ in range(1000):
        free.take_request("192.0.2.1", 0.0)
        free.take_reading(7, "192.0.2.1", 0.0)
