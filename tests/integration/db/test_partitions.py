"""Partitions by month: readings find theirs, forgotten months lose nothing, old ones go when nobody needs them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
import sql

from plantkeeper_db.partitions import Month

pytestmark = pytest.mark.integration
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Execute = Callable[..., list[tuple[object, ...]]]
THIS_MONTH = Month.of(datetime.now(UTC).date())


@pytest.fixture
def execute(database_dsn: str) -> Execute:
    return partial(sql.execute, database_dsn)


@pytest.fixture
def insert(execute: Execute) -> Callable[[Month, str], int]:
    """Stores a reading as of the middle of a month, with its key; returns its id."""

    def run(month: Month, key: str) -> int:
        moment = month.first.replace(day=15)
        [(reading_id,)] = execute(
            "INSERT INTO reading (device_id, idempotency_key, light, measured_at, received_at)"
            " VALUES (7, %s, 1, %s, %s) RETURNING id",
            key,
            moment,
            moment,
        )
        execute("INSERT INTO reading_key VALUES (7, %s, %s, %s)", key, reading_id, moment)
        assert isinstance(reading_id, int)
        return reading_id

    return run


def test_a_year_ahead_is_made_by_migrate(execute: Execute) -> None:
    names = {
        name
        for (name,) in execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reading'::regclass")
    }
    assert names == {"reading_default", *((THIS_MONTH + months).partition for months in range(13))}


def test_readings_lie_in_their_month(execute: Execute, insert: Callable[[Month, str], int]) -> None:
    insert(THIS_MONTH + 2, "a")
    assert execute("SELECT tableoid::regclass::text FROM reading") == [((THIS_MONTH + 2).partition,)]


def test_what_came_in_a_month_without_a_partition_is_kept_and_moves_when_it_is_made(
    execute: Execute, insert: Callable[[Month, str], int], plantkeeper_db: Command, database_dsn: str
) -> None:
    late = THIS_MONTH + 14
    insert(late, "a")
    assert execute("SELECT tableoid::regclass::text, light FROM reading") == [("reading_default", 1.0)]
    done = plantkeeper_db("partitions", "--ahead", "14", dsn=database_dsn)
    assert done.stdout == f"made: {(THIS_MONTH + 13).partition}, {late.partition}\n", done.stderr
    assert execute("SELECT tableoid::regclass::text, light FROM reading") == [(late.partition, 1.0)]
    assert plantkeeper_db("partitions", "--ahead", "14", dsn=database_dsn).stdout == "made: nothing, all are there\n"


def test_old_months_go_and_take_their_keys_unless_somebody_needs_them(
    execute: Execute, insert: Callable[[Month, str], int], plantkeeper_db: Command, database_dsn: str
) -> None:
    months = {name: THIS_MONTH + offset for name, offset in {"old": -5, "waiting": -4, "dead": -3, "young": -2}.items()}
    ids = {}
    for name, month in months.items():
        execute("SELECT make_reading_partition(%s)", month.first.date())
        ids[name] = insert(month, name)
    received = months["waiting"].first.replace(day=15)
    execute("INSERT INTO outbox (reading_id, device_id, received_at) VALUES (%s, 7, %s)", ids["waiting"], received)
    execute(
        "INSERT INTO dead_letter (reading_id, device_id, received_at, attempts, error) VALUES (%s, 7, %s, 1, 'no')",
        ids["dead"],
        months["dead"].first.replace(day=15),
    )
    said = [
        f"{{verb}} {months['old'].partition}: 1 readings",
        f"kept {months['waiting'].partition}: 1 readings wait for the backend, 0 are dead letters",
        f"kept {months['dead'].partition}: 0 readings wait for the backend, 1 are dead letters",
        "{verb} 1 partitions and 1 keys",
    ]
    dry = plantkeeper_db("retention", "--keep-months", "2", "--dry-run", dsn=database_dsn)
    assert dry.stdout.splitlines() == [line.format(verb="would drop") for line in said], dry.stderr
    assert len(execute("SELECT id FROM reading")) == 4
    done = plantkeeper_db("retention", "--keep-months", "2", dsn=database_dsn)
    assert done.stdout.splitlines() == [line.format(verb="dropped") for line in said], done.stderr
    keys = {name for (name,) in execute("SELECT idempotency_key FROM reading")}
    assert keys == {"waiting", "dead", "young"}
    assert {name for (name,) in execute("SELECT idempotency_key FROM reading_key")} == keys


def test_retention_names_what_it_does_not_take(plantkeeper_db: Command, database_dsn: str) -> None:
    done = plantkeeper_db("retention", "--keep-months", "-1", dsn=database_dsn)
    assert done.returncode == 2
    assert "--keep-months" in done.stderr
