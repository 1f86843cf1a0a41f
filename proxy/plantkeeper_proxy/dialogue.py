"""What is asked of PostgreSQL, apart from how it is asked: dialogues of named queries and their rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

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


def converse_blocking(run: Callable[[str, Mapping[str, Any]], list[Row]], dialogue: Dialogue[T]) -> T:
    """Hold a dialogue in a thread.

    Args:
        run: runs a statement with its arguments and returns the rows of the last.
    """
    try:
        name, arguments = next(dialogue)
        while True:
            name, arguments = dialogue.send(run(queries()[name], arguments))
    except StopIteration as end:
        value: T = end.value
        return value
