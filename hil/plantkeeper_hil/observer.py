"""Tells the person in front of the terminal how a run goes, past pytest's capturing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from plantkeeper_hil.run.day import DayResult

PLUGIN_NAME = "plantkeeper-observer"
SECONDS_PER_HOUR = 3600
STEPS_WITHOUT_TERMINAL = 4


class Observer:
    """Says nothing and remembers the result; what the fixtures use where nobody watches."""

    def __init__(self) -> None:
        self.result: DayResult | None = None

    def say(self, line: str) -> None:
        """Tell what happens next."""

    @contextmanager
    def progress(self, total_s: float) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """Show virtual time as it goes by; yields a function that takes virtual seconds."""
        yield lambda _seconds: None


class TerminalObserver(Observer):
    """Writes lines and a progress bar; without a terminal (CI), a line every quarter."""

    def __init__(self) -> None:
        super().__init__()
        # pytest captures descriptor 1; this one still leads to the terminal
        self._output = os.fdopen(os.dup(sys.__stdout__.fileno() if sys.__stdout__ else 1), "w")
        self.console = Console(file=self._output, highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._output.close()

    def say(self, line: str) -> None:
        """Tell what happens next."""
        self.console.print(line, soft_wrap=True)

    @contextmanager
    def progress(self, total_s: float) -> Iterator[Callable[[float], None]]:
        """Show virtual time as it goes by."""
        if not self.console.is_terminal:
            yield self._lines(total_s)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task("virtual time", total=total_s)
            yield lambda seconds: bar.advance(task, seconds)

    def _lines(self, total_s: float) -> Callable[[float], None]:
        gone_s, said = 0.0, 0

        def advance(seconds: float) -> None:
            nonlocal gone_s, said
            gone_s += seconds
            quarter = int(gone_s / total_s * STEPS_WITHOUT_TERMINAL + 1e-9)
            if quarter > said:
                said = quarter
                self.say(f"virtual time: {gone_s / SECONDS_PER_HOUR:.1f} h of {total_s / SECONDS_PER_HOUR:.1f} h")

        return advance
