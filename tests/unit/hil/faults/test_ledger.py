"""Readings can be told apart by their values, and are what each kind of board may send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.faults.ledger import READINGS_A_DEVICE, Device, fleet, reading_of

numbers = st.integers(1, READINGS_A_DEVICE)
devices = st.builds(Device, st.integers(1, 1250), st.booleans())


@given(devices, numbers, numbers)
def test_two_readings_of_a_device_differ_at_the_backend(device: Device, one: int, other: int) -> None:
    same = reading_of(device, one).expected == reading_of(device, other).expected
    assert same == (one == other)


@given(st.integers(1, 1250), st.integers(1, 1250), numbers)
def test_two_devices_differ_in_temperature(one: int, other: int, number: int) -> None:
    if one != other:
        first, second = (reading_of(Device(d, keyed=True), number).expected["temperature"] for d in (one, other))
        assert first != second


@given(devices, numbers)
def test_the_backend_gets_what_the_board_sent_clamped_and_rounded(device: Device, number: int) -> None:
    sent = reading_of(device, number)
    posted = {name: value for name, value in json.loads(sent.body).items() if value is not None}
    posted["humidity"] = round(max(0.0, min(100.0, posted["humidity"])))
    posted["light"] = round(posted["light"])
    assert sent.expected == posted
    assert 0 <= json.loads(sent.body)["light"] <= 2000
    assert -40 <= (posted.get("temperature") or 0) <= 85.1


@given(numbers)
def test_only_our_firmware_sends_keys(number: int) -> None:
    assert reading_of(Device(1, keyed=True), number).key == f"3-{number}"
    assert reading_of(Device(1, keyed=False), number).key is None


def test_boards_in_the_field_send_what_they_are_known_for() -> None:
    bodies = [json.loads(reading_of(Device(1, keyed=False), number).body) for number in range(1, 203)]
    assert any(body["humidity"] > 100 for body in bodies)
    assert any(body["temperature"] is None for body in bodies)
    assert all(isinstance(body["light"], float) for body in bodies)


def test_numbers_beyond_what_values_tell_apart_are_refused() -> None:
    for number in (0, READINGS_A_DEVICE + 1):
        with pytest.raises(ValueError, match="tell 1…202000 apart"):
            reading_of(Device(1, keyed=True), number)


def test_a_fleet_has_both_kinds() -> None:
    assert [(d.id, d.keyed) for d in fleet(4)] == [(1, False), (2, True), (3, False), (4, True)]
