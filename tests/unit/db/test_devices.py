"""Lists of device ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_db.devices import parse_devices
from plantkeeper_db.errors import UsageError


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 20)), min_size=1, max_size=6))
def test_ranges_add_up(ranges: list[tuple[int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in ranges)
    assert parse_devices(text) == sorted({i for first, more in ranges for i in range(first, first + more + 1)})


@pytest.mark.parametrize("text", ["", "0", "a", "3-1", "1-", "-1", "1,,2", "2147483648", "1-2147483647"])
def test_what_is_no_list_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="--devices"):
        parse_devices(text)
