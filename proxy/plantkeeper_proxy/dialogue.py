"""What is asked of PostgreSQL, apart from how it is asked: dialogues of named queries and their rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

from plantkeeper_proxy.database import Database, Row
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.queries import queries

T = TypeVar("T")
Step = tuple[str, Mapping[str, Any]]
Dialogue = Generator[Step, list[Row], T]


def converse(database: Database, dialogue: Dialogue[T], done: Callable[[T | Exception], None], *, due_s: float) -> None:
    """Hold a dialogue within an event loop; each step is a transaction.

    Args:
        done: is told what came of it, a StoreError where PostgreSQL failed; from within this call where nothing has to
            be asked.
        due_s: until then, by the loop's clock.
    """
    _Conversation(database, dialogue, done, due_s).go_on(None)


class _Conversation(Generic[T]):
    """An object, since a closure that passes itself on is a cycle, left to the garbage collector with every batch."""

    __slots__ = ("_database", "_dialogue", "_done", "_due_s")

    def __init__(
        self, database: Database, dialogue: Dialogue[T], done: Callable[[T | Exception], None], due_s: float
    ) -> None:
        self._database, self._dialogue, self._done, self._due_s = database, dialogue, done, due_s

    def go_on(self, rows: list[Row] | StoreError | None) -> None:
        """Take the answer to a step, and go to the next."""
        if isinstance(rows, StoreError):
            self._done(rows)
            return
        try:
            name, arguments = next(self._dialogue) if rows is None else self._dialogue.send(rows)
            self._database.start(queries()[name], arguments, self.go_on, due_s=self._due_s)
        except StopIteration as end:
            self._done(end.value)
        except Exception as error:
            self._done(error)


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
