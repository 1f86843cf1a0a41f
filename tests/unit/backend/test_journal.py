"""The journal counts repeats and steps back, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.journal import Entry, Journal, rank
from plantkeeper_sim.backend.state import Effect


def record(
    journal: Journal, key: str | None, sensor_id: int = 1, status: int = 200, effect: Effect = Effect.APPLIED
) -> Entry:
    headers = {} if key is None else {"idempotency-key": key}
    request = Request("PATCH", f"/api/v1/sensors/{sensor_id}", headers, b"{}")
    return journal.record(request, Answer(status, None, effect, sensor_id), monotonic_s=1.0, time_s=2.0)


keys = st.builds(lambda boot, seq: f'"{boot}-{seq}"', st.integers(1, 3), st.integers(1, 6))


@given(st.lists(st.tuples(st.integers(1, 2), keys), max_size=20))
def test_a_repeat_is_a_key_seen_and_a_step_back_is_below_the_highest(sent: list[tuple[int, str]]) -> None:
    journal = Journal()
    for at, (sensor_id, key) in enumerate(sent):
        entry = record(journal, key, sensor_id)
        before = [other for sensor, other in sent[:at] if sensor == sensor_id]
        ranks = [rank(other) or () for other in before]
        assert entry.duplicate == (key in before)
        assert entry.reordered == any((rank(key) or ()) < other for other in ranks)
    stats = journal.stats()
    assert stats["requests"] == len(sent)
    assert stats["duplicates"] == sum(entry.duplicate for entry in journal.entries)
    assert [entry.n for entry in journal.entries] == list(range(1, len(sent) + 1))


@pytest.mark.parametrize(
    ("key", "expected"),
    [('"3-42"', (3, 42)), ("3-42", (3, 42)), ('"reading-9"', (9,)), ("x", None), (None, None), ("3-", None)],
)
def test_keys_are_ranked_by_number(key: str | None, expected: tuple[int, ...] | None) -> None:
    assert rank(key) == expected


def test_what_was_not_carried_out_is_no_repeat() -> None:
    journal = Journal()
    record(journal, '"1-1"', status=500, effect=Effect.NONE)
    assert not record(journal, '"1-1"').duplicate
    assert journal.stats()["by_status"] == {"200": 1, "500": 1}


def test_entries_go_to_a_file_as_json_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    record(journal, '"1-1"')
    record(journal, None)
    journal.close()
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert lines == journal.after(0)
    assert journal.after(1) == lines[1:]
    assert lines[0]["idempotency_key"] == '"1-1"'
