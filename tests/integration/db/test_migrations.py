"""Migrations keep what is there, up and down, and lead to one schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import Connection

from plantkeeper_db.connection import connect
from plantkeeper_db.schema import _config

pytestmark = pytest.mark.integration
SCHEMA = text(
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY 1, 2"
)
INDEXES = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")


@pytest.fixture
def connection(empty_dsn: str) -> Iterator[Connection]:
    with connect(empty_dsn) as opened:
        yield opened


def to(connection: Connection, revision: str) -> None:
    (command.upgrade if revision != "down" else command.downgrade)(
        _config(connection), revision if revision != "down" else "0001"
    )
    connection.commit()


def schema(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for query in (SCHEMA, INDEXES) for row in connection.execute(query).all()]


def test_readings_wait_and_are_parked_as_before(connection: Connection) -> None:
    to(connection, "0001")
    before = schema(connection)
    connection.execute(
        text(
            "INSERT INTO reading (device_id, idempotency_key, temperature, light, measured_at, received_at) VALUES"
            " (7, '1-1', 21.5, 1, now(), now() - interval '100 days'), (7, '1-2', null, 2, now(), now()),"
            " (8, null, 3, 3, now(), now());"
            "INSERT INTO outbox (reading_id, device_id) VALUES (2, 7);"
            "INSERT INTO outbox (reading_id, device_id, parked_at, last_error, attempts) VALUES (3, 8, now(), 'no', 4)"
        )
    )
    connection.commit()
    readings = text("SELECT id, device_id, idempotency_key, temperature, light FROM reading ORDER BY id")
    stored = connection.execute(readings).all()
    to(connection, "head")
    assert connection.execute(readings).all() == stored
    assert connection.execute(text("SELECT count(*) FROM reading_default")).scalar_one() == 0
    assert connection.execute(
        text("SELECT device_id, idempotency_key, reading_id FROM reading_key ORDER BY 3")
    ).all() == [
        (7, "1-1", 1),
        (7, "1-2", 2),
    ]
    assert connection.execute(text("SELECT reading_id, device_id, idempotency_key, light FROM outbox")).all() == [
        (2, 7, "1-2", 2.0)
    ]
    assert connection.execute(text("SELECT reading_id, light, attempts, error FROM dead_letter")).all() == [
        (3, 3.0, 4, "no")
    ]
    assert connection.execute(text("SELECT nextval('reading_id')")).scalar_one() == 4
    to(connection, "down")
    assert connection.execute(readings).all() == stored
    assert connection.execute(
        text("SELECT reading_id, parked_at IS NULL, last_error FROM outbox ORDER BY 1")
    ).all() == [
        (2, True, None),
        (3, False, "no"),
    ]
    assert schema(connection) == before


def test_up_down_and_up_again_is_the_same_schema(connection: Connection) -> None:
    to(connection, "head")
    first = schema(connection)
    to(connection, "down")
    to(connection, "head")
    assert schema(connection) == first
