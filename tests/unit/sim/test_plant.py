"""The plant's surroundings: in range, repeatable, and watered."""

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.plant import DAY_S, Plant

seeds = st.integers(0, 2**32)
times_s = st.floats(0, 3 * DAY_S)


@given(seeds, times_s)
def test_quantities_stay_in_range(seed: int, t_s: float) -> None:
    plant = Plant(seed)
    assert 10 <= plant.temperature_c(t_s) <= 34
    assert 25 <= plant.air_humidity_percent(t_s) <= 85
    assert 0 <= plant.light(t_s) <= 2000
    assert 160 <= plant.visible_count(t_s) <= 800
    assert 25 <= plant.soil_moisture_percent(t_s) <= 90


@given(seeds, times_s, times_s)
def test_a_time_has_one_value_whatever_was_asked_before(seed: int, t_s: float, other_s: float) -> None:
    first = Plant(seed).soil_moisture_percent(t_s), Plant(seed).temperature_c(t_s)
    Plant(seed).soil_moisture_percent(other_s)
    assert (Plant(seed).soil_moisture_percent(t_s), Plant(seed).temperature_c(t_s)) == first


@given(seeds)
def test_it_is_dark_at_night_and_light_at_noon(seed: int) -> None:
    plant = Plant(seed)
    assert plant.light(0) == plant.light(23 * 3600) == 0
    assert plant.light(13 * 3600) > 300


def test_soil_dries_and_is_watered_within_a_week() -> None:
    plant = Plant(1)
    waterings = plant.waterings_s(7 * DAY_S)
    assert waterings
    for t_s in waterings:
        assert plant.soil_moisture_percent(t_s - 600) < 32
        assert plant.soil_moisture_percent(t_s + 1) > 80
    assert plant.soil_moisture_percent(3600) < plant.soil_moisture_percent(0)
