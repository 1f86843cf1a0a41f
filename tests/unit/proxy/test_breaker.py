"""The circuit breaker: an outage costs one probe at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.breaker import FAILURES_TO_OPEN, LONGEST_PROBE_S, Breaker


def opened(random: float = 0.5) -> Breaker:
    breaker = Breaker(lambda: random)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0.0)
    return breaker


def test_closed_it_lets_all_through_up_to_the_limit() -> None:
    breaker = Breaker(lambda: 0.5)
    assert [breaker.may_send(0.0, on_their_way, 4) for on_their_way in (0, 3, 4, 5)] == [4, 1, 0, 0]


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(lambda: 0.5)
    for _ in range(20):
        breaker.failed(0.0)
        breaker.succeeded()
    assert not breaker.is_open


def test_open_it_lets_one_probe_through_when_its_time_has_come() -> None:
    breaker = opened()
    assert breaker.is_open
    due_s = breaker.next_s()
    assert 0 < due_s <= LONGEST_PROBE_S
    assert breaker.may_send(due_s - 0.001, 0, 64) == 0
    assert breaker.may_send(due_s, 1, 64) == 0
    assert breaker.may_send(due_s, 0, 64) == 1


def test_a_good_probe_closes_it() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.may_send(0.0, 0, 64) == 64
    assert breaker.next_s() == 0.0


def test_it_waits_as_long_as_the_backend_asks() -> None:
    breaker = opened(random=0.0)
    breaker.failed(100.0, asked_s=77.0)
    assert breaker.next_s() == 177.0
    breaker.failed(200.0, asked_s=1e9)
    assert breaker.next_s() == 500.0


def test_what_was_on_its_way_when_it_opened_does_not_lengthen_the_pause() -> None:
    breaker = opened(random=0.5)
    due_s = breaker.next_s()
    for _ in range(50):
        breaker.failed(due_s / 2)
    assert breaker.next_s() == due_s
    breaker.failed(due_s / 2, asked_s=60.0)
    assert breaker.next_s() == due_s / 2 + 60.0


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=60))
def test_probes_never_lie_further_apart_than_the_longest_pause(randoms: list[float]) -> None:
    breaker, now_s = opened(), 1000.0
    for random in randoms:
        breaker._random = lambda value=random: value  # type: ignore[misc]
        breaker.failed(now_s)
        assert now_s <= breaker.next_s() <= now_s + LONGEST_PROBE_S
        now_s = breaker.next_s()
