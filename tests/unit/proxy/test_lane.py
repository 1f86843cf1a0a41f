"""What follows from the backend's answer to a device's oldest reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.delivery import Delivered, Reject, Retry, Waiting
from plantkeeper_proxy.lane import BACKEND_DOWN_PAUSE_S, consequence
from plantkeeper_proxy.outbox import Dead, Pause

READING = Waiting(9, 7, "3-42", 21.5, 40.0, 900.0, 0.0)


def after(outcome: Delivered | Retry | Reject, attempts: int = 0, random: float = 0.5) -> Delivered | Dead | Pause:
    return consequence(READING, attempts, outcome, random=random, unknown_sensor_attempts=3)


def test_delivered_is_delivered_and_rejected_is_dead() -> None:
    assert after(Delivered()) == Delivered()
    assert after(Reject("no"), attempts=4) == Dead(READING, 5, "no")


def test_an_unknown_sensor_is_given_up_in_the_end_and_a_backend_in_trouble_never() -> None:
    assert isinstance(after(Retry("401", device_only=True), attempts=1), Pause)
    assert after(Retry("401", device_only=True), attempts=2) == Dead(READING, 3, "401")
    assert isinstance(after(Retry("503"), attempts=1_000_000), Pause)


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 200))
def test_a_backend_in_trouble_costs_its_devices_a_short_pause_or_what_it_asks_for(
    attempts: int, random: float, after_s: float | None
) -> None:
    pause = after(Retry("503", after_s), attempts, random)
    assert isinstance(pause, Pause)
    assert pause.attempts == attempts + 1
    assert (after_s or 0.0) <= pause.delay_s <= max(BACKEND_DOWN_PAUSE_S, after_s or 0.0)
