"""Back-off, what a status means, and the table of states, under sanitizers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]
WHOLE_MS = [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000, 300000]


def pauses(ask: Ask, seed: int, *acts: str) -> list[int]:
    return [int(word) for word in ask(f"backoff {seed} {' '.join(acts)}").split()]


@given(st.integers(0, 2**32 - 1))
def test_pauses_double_each_between_a_half_and_the_whole(ask: Ask, seed: int) -> None:
    given_ms = pauses(ask, seed, *(["0"] * len(WHOLE_MS)))
    assert all(whole / 2 <= pause <= whole for whole, pause in zip(WHOLE_MS, given_ms, strict=True)), given_ms


@given(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 12))
def test_what_the_gateway_asked_for_is_the_least(ask: Ask, seed: int, retry_after_s: int, failures: int) -> None:
    *_, pause = pauses(ask, seed, *(["0"] * failures), str(retry_after_s))
    asked = min(retry_after_s, 3600) * 1000
    assert asked <= pause <= max(asked * 1.25 + 1, WHOLE_MS[min(failures, 11)])


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_success_starts_over_and_despair_waits_longest(ask: Ask, seed: int, failures: int) -> None:
    *_, first, longest = pauses(ask, seed, *(["0"] * failures), "succeed", "0", "despair", "0")
    assert 500 <= first <= 1000
    assert 150_000 <= longest <= 300_000


def test_a_thousand_boards_spread_evenly(ask: Ask) -> None:
    """Each twentieth of the range has its share of boards with ids from 1 on, after an outage that all saw."""
    counts = [0] * 20
    for device_id in range(1, 1001):
        seed = (device_id ^ 3 << 16) * 2654435761 % 2**32
        counts[min(19, (pauses(ask, seed, *(["0"] * 10))[-1] - 150_000) // 7500)] += 1
    assert min(counts) > 25, counts
    assert max(counts) < 80, counts


MEANINGS = {200: 0, 400: 1, 413: 1, 422: 1, 401: 2, 403: 2, 429: 3, 503: 3}


def test_only_what_is_known_to_be_final_is_dropped(ask: Ask) -> None:
    assert [int(ask(f"meaning {status}")) for status in range(1000)] == [MEANINGS.get(s, 4) for s in range(1000)]


# ---- states ------------------------------------------------------------------------------------------------------


def table(ask: Ask) -> dict[str, tuple[set[str], str, int]]:
    rows = [row.split() for row in ask("states").split("|") if row]
    names = [row[0] for row in rows]
    return {
        name: ({names[bit] for bit in range(len(names)) if int(exits) >> bit & 1}, led, int(deadline))
        for name, exits, led, deadline in rows
    }


def test_every_state_is_reached_and_left_and_only_rest_has_no_deadline(ask: Ask) -> None:
    rows = table(ask)
    entered = set().union(*(exits for exits, _, _ in rows.values()))
    assert entered == set(rows) - {"boot"}
    assert [name for name, (exits, _, _) in rows.items() if not exits] == ["configure"]
    assert [name for name, (_, _, deadline) in rows.items() if not deadline] == ["configure", "back-off", "sleep"]
    assert all(deadline < 7200 for _, _, deadline in rows.values())  # the watchdog's 8 s less its tolerance of 10 %


def test_the_documentation_has_the_table(ask: Ask, pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs" / "firmware.md").read_text()
    cells = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")
    ]
    shown = {row[0]: row[1:] for row in cells if len(row) == 4}
    leds = {"0": "off", "1": "on", "2": "flash"}
    for name, (exits, led, deadline) in table(ask).items():
        followers, pattern, limit = shown[name]
        assert {follower.strip(" `") for follower in followers.split(",")} - {"–"} == exits
        assert (pattern, limit) == (leds[led], f"{deadline // 1000} s" if deadline else "–")
