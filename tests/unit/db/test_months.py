"""Months and the names of their partitions."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_db.partitions import Month, month_of_partition

days = st.dates(date(1970, 1, 1), date(2999, 12, 31))


@given(days)
def test_a_day_lies_between_its_months_first_moment_and_the_next_months(day: date) -> None:
    month = Month.of(day)
    assert month.first <= datetime(day.year, day.month, day.day, tzinfo=UTC) < (month + 1).first
    assert month_of_partition(month.partition) == month


@given(days, st.integers(-600, 600))
def test_months_are_counted_over_the_turn_of_the_year(day: date, months: int) -> None:
    later = Month.of(day) + months
    assert (later.first.year * 12 + later.first.month) - (day.year * 12 + day.month) == months


@pytest.mark.parametrize("name", ["reading_default", "reading_2026_13", "reading_2026_00", "reading_2026_1", "reading"])
def test_other_tables_have_no_month(name: str) -> None:
    assert month_of_partition(name) is None
