"""What is asked of PostgreSQL, apart from how it is asked: dialogues of named queries and their rows."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy.database import Database, Row
from plantkeeper_proxy.queries import queries

T = TypeVar("T")
Step = tuple[str, Mapping[str, Any]]
Dialogue = Generator[Step, list[Row], T]


async def converse(database: Database, dialogue: Dialogue[T]) -> T:
    """Hold a dialogue within an event loop; each step is a transaction.

    Raises:
        StoreError: PostgreSQL failed.
    """
    try:
        name, arguments = next(dialogue)
        while True:
            rows = await database.run(queries()[name], arguments)
            name, arguments = dialogue.send(rows)
    except StopIteration as end:
        value: T = end.value
        return value


def converse_blocking(connection: Connection, dialogue: Dialogue[T]) -> T:
    """Hold a dialogue in a thread; transactions are as the connection has them."""
    try:
        name, arguments = next(dialogue)
        while True:
            with connection.cursor() as cursor:
                cursor.execute(queries()[name], arguments)
                rows = cursor.fetchall() if cursor.description is not None else []
            name, arguments = dialogue.send(rows)
    except StopIteration as end:
        value: T = end.value
        return value
