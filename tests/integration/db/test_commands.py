"""`plantkeeper-db` as a person calls it, on a real PostgreSQL."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from sql import execute

pytestmark = pytest.mark.integration
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_status_before_and_after_migrate(plantkeeper_db: Command, empty_dsn: str) -> None:
    before = plantkeeper_db("status", dsn=empty_dsn)
    assert (before.returncode, before.stdout) == (
        3,
        "schema revision: none\nnewest revision: 0004\npending: 0001 (post), 0002 (post), 0003 (post), 0004 (post)\n",
    )
    assert plantkeeper_db("migrate", dsn=empty_dsn).stdout == "applied: 0001, 0002, 0003, 0004\n"
    after = plantkeeper_db("status", dsn=empty_dsn)
    assert (after.returncode, after.stdout.splitlines()[-1]) == (0, "pending: nothing")
    assert plantkeeper_db("migrate", dsn=empty_dsn).stdout == "applied: nothing, the schema is up to date\n"
    tables = execute(empty_dsn, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    named = {name for (name,) in tables if not re.fullmatch(r"reading_[0-9]{4}_[0-9]{2}", str(name))}
    assert named == {
        *("alembic_version", "dead_letter", "device", "forwarder", "lane", "outbox"),
        *("reading", "reading_default", "reading_key"),
        *("device_key", "device_key_version", "device_sequence"),
    }


def test_seed_adds_what_is_missing(plantkeeper_db: Command, database_dsn: str) -> None:
    assert plantkeeper_db("seed", "--devices", "1-3", dsn=database_dsn).stdout == "added 3 of 3 devices\n"
    assert plantkeeper_db("seed", "--devices", "2-4", dsn=database_dsn).stdout == "added 1 of 3 devices\n"
    assert execute(database_dsn, "SELECT id FROM device ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_seed_before_migrate_says_what_to_do(plantkeeper_db: Command, empty_dsn: str) -> None:
    done = plantkeeper_db("seed", dsn=empty_dsn)
    assert done.returncode == 2
    assert "run plantkeeper-db migrate first" in done.stderr


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (None, "set PLANTKEEPER_DATABASE_DSN or give --dsn"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot connect to PostgreSQL"),
        ("nonsense", "cannot connect to PostgreSQL"),
    ],
)
def test_a_database_that_cannot_be_had_is_told_without_a_traceback(
    plantkeeper_db: Command, dsn: str | None, said: str
) -> None:
    done = plantkeeper_db("status", dsn=dsn)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_schema_is_left_alone(plantkeeper_db: Command, database_dsn: str) -> None:
    execute(database_dsn, "UPDATE alembic_version SET version_num = '9999'")
    done = plantkeeper_db("migrate", dsn=database_dsn)
    assert done.returncode == 2
    assert "revision '9999', which these migrations do not know" in done.stderr
