"""Make devices known."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.engine import Connection

from plantkeeper_db.errors import MigrationError
from plantkeeper_db.schema import status

INSERT = text(
    "WITH added AS (INSERT INTO device (id) SELECT unnest(CAST(:ids AS integer[])) ON CONFLICT DO NOTHING RETURNING id)"
    " SELECT count(*) FROM added"
)


def seed(connection: Connection, ids: Sequence[int]) -> int:
    """Add devices; those that are there already stay as they are. Returns how many were added.

    Raises:
        MigrationError: the schema is not up to date.
    """
    there = status(connection)
    if not there.up_to_date:
        raise MigrationError(
            f"the schema is at revision {there.current or 'none'}, seeding needs {there.head}; "
            "run plantkeeper-db migrate first"
        )
    added = connection.execute(INSERT, {"ids": list(ids)}).scalar_one()
    connection.commit()
    return int(added)
