"""One statement in a transaction and a connection of its own."""

from __future__ import annotations

from contextlib import closing

import psycopg2


def execute(dsn: str, statement: str, *arguments: object) -> list[tuple[object, ...]]:
    """Its rows; none where it has no result."""
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description is not None else []  # a row may have no column
