"""Dead letters in an operator's hands: listed, shown, sent again in order, dropped."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.integration
Execute = Callable[[str], list[tuple[object, ...]]]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def deadletter(database_dsn: str) -> Command:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "plantkeeper_proxy", "deadletter", *words],
            env={"PLANTKEEPER_DATABASE_DSN": database_dsn},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def letters(execute: Execute) -> None:
    """Readings 1–3 of device 7 and 4 of device 8 are dead; 5 of device 8 was delivered, 6 of device 7 waits."""
    execute(
        "INSERT INTO reading (id, device_id, idempotency_key, light, measured_at)"
        " SELECT id, CASE WHEN id IN (4, 5) THEN 8 ELSE 7 END, '1-' || id, id, now() FROM generate_series(1, 6) AS id;"
        "INSERT INTO outbox (reading_id, device_id, idempotency_key, light) VALUES (6, 7, '1-6', 6);"
        "INSERT INTO lane (device_id, attempts, due_at) VALUES (7, 3, now() + interval '1 hour');"
        "INSERT INTO dead_letter (reading_id, device_id, idempotency_key, light, received_at, attempts, error)"
        " SELECT id, device_id, idempotency_key, light, received_at, 12, 'the backend answered 401'"
        " FROM reading WHERE id <= 4"
    )


def test_they_are_listed_and_shown(deadletter: Command, letters: None) -> None:
    lines = deadletter("list").stdout.splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        *([f"reading {n}", "device 7", f"key 1-{n}"] for n in (1, 2, 3)),
        ["reading 4", "device 8", "key 1-4"],
    ]
    assert ["stale" in line for line in lines] == [False, False, False, True]
    found = [json.loads(line) for line in deadletter("list", "--device", "8", "--json").stdout.splitlines()]
    assert [(one["reading_id"], one["light"], one["attempts"], one["stale"]) for one in found] == [(4, 4.0, 12, True)]
    assert json.loads(deadletter("show", "2").stdout)["error"] == "the backend answered 401"


def test_sent_again_they_come_before_what_waits(deadletter: Command, letters: None, execute: Execute) -> None:
    assert deadletter("retry", "--device", "7").stdout == "3 readings wait again\n"
    assert execute("SELECT reading_id, device_id, idempotency_key, light FROM outbox ORDER BY 1") == [
        (n, 7, f"1-{n}", float(n)) for n in (1, 2, 3, 6)
    ]
    assert execute("SELECT attempts, due_at <= now() FROM lane") == [(0, True)]
    assert execute("SELECT reading_id FROM dead_letter") == [(4,)]


def test_none_sets_a_sensor_back_by_accident(deadletter: Command, letters: None, execute: Execute) -> None:
    refused = deadletter("retry", "--all")
    assert refused.returncode == 2
    assert "reading 4 of device 8: sent again, it would set the sensor back" in refused.stderr
    assert execute("SELECT count(*) FROM dead_letter") == [(4,)]
    assert deadletter("retry", "4", "--even-stale").stdout == "1 readings wait again\n"


def test_dropped_ones_leave_their_reading(deadletter: Command, letters: None, execute: Execute) -> None:
    assert deadletter("drop", "1", "2").stdout == "2 dead letters dropped\n"
    assert deadletter("drop", "--all").stdout == "2 dead letters dropped\n"
    assert execute("SELECT (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM reading)") == [(0, 6)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "99"], "no dead letter is reading 99"),
        (["drop", "1", "99"], "no dead letter is reading 99"),
        (["drop"], "name readings, or give --device or --all"),
        (["retry", "1", "--all"], "one of these"),
    ],
)
def test_what_makes_no_sense_is_named_and_changes_nothing(
    words: list[str], said: str, deadletter: Command, letters: None, execute: Execute
) -> None:
    refused = deadletter(*words)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert execute("SELECT count(*) FROM dead_letter") == [(4,)]
