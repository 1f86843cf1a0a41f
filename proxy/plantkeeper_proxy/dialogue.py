"""What is asked of PostgreSQL, apart from how it is asked: dialogues of named queries and their rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

from plantkeeper_proxy.database import Database, Row
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.queries import queries

T = TypeVar("T")
Step = tuple[str, Mapping[str, Any]]
Dialogue = Generator[Step, list[Row], T]


def converse(database: Database, dialogue: Dialogue[T], done: Callable[[T | Exception], None], *, due_s: float) -> None:
    """Hold a dialogue within an event loop; each step is a transaction.

    Args:
        done: is told what came of it, a StoreError where PostgreSQL failed; from within this call where nothing had to
            be asked or nothing could be.
        due_s: until then, by the loop's clock.
    """

    def go_on(rows: list[Row] | StoreError | None) -> None:
        if isinstance(rows, StoreError):
            done(rows)
            return
        try:
            name, arguments = next(dialogue) if rows is None else dialogue.send(rows)
            database.start(queries()[name], arguments, go_on, due_s=due_s)
        except StopIteration as end:
            done(end.value)
        except Exception as error:
            done(error)

    go_on(None)


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
