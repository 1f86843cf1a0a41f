"""What the database knows about how things are: asked when somebody wants to know, at most every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from plantkeeper_proxy.database import Row
from plantkeeper_proxy.errors import SchemaError, StoreError
from plantkeeper_proxy.schema import REVISION

FIGURES_AGE_S = 3.0  # the backlog is counted row by row: not more often than this
DEVICES_AGE_S = 30.0  # each known device is looked up: less often still
CHECK_AGE_S = 0.5  # nor is a database that hangs asked by everybody
WAIT_S = 2.0
DEVICE_SILENT_S = 1800.0  # boards post every 5 minutes: six readings that did not come


class Checked(Protocol):
    """What can be asked whether readings can be taken."""

    def check(self) -> str | None:
        """Raise StoreError where they cannot; else the schema's revision, as far as it is known."""


class Source(Checked, Protocol):
    """What is needed of `store.ReadingStore`."""

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a query of queries.sql."""


@dataclass(frozen=True)
class ForwarderFacts:
    """What a forwarder said of itself.

    Args:
        silent_s: since when it said nothing more.
        counters: `Tally.counters`, as far as it gave them.
        alarms: text by name.
    """

    name: str
    silent_s: float
    counters: Mapping[str, Any]
    alarms: Mapping[str, str]


@dataclass(frozen=True)
class Figures:
    """What the tables hold.

    Args:
        backlog: readings that wait for the backend.
        oldest_age_s: how long the oldest has waited; 0 where none waits.
        dead_letters: readings that the backend refused for good.
        forwarders: heard of within a day.
        default_used: readings fell into the default partition.
        next_month_missing: next month's partition is not made yet.
        devices_known: devices that an operator made known.
        devices_silent: those of them that sent nothing for `device_silent_s`.
    """

    backlog: int = 0
    oldest_age_s: float = 0.0
    dead_letters: int = 0
    forwarders: Sequence[ForwarderFacts] = field(default=())
    default_used: bool = False
    next_month_missing: bool = False
    devices_known: int = 0
    devices_silent: int = 0


@dataclass(frozen=True)
class Facts:
    """How things are.

    Args:
        error: why readings cannot be taken; None where they can.
        database_up: whether PostgreSQL answers.
        revision: of the schema; None where it is not known.
        figures: None where they could not be read.
        figures_error: why not.
    """

    error: str | None = None
    database_up: bool = True
    revision: str | None = None
    figures: Figures | None = None
    figures_error: str | None = None


def checked(source: Checked) -> Facts:
    """Whether readings can be taken, and nothing more."""
    try:
        revision = source.check()
    except SchemaError as error:
        return Facts(error=str(error), revision=error.found)
    except StoreError as error:
        return Facts(error=str(error), database_up=False)
    return Facts(revision=revision or REVISION)


class FactsReader:
    """Asks the database. Safe to use from several threads.

    Args:
        source: the database; of its own, so that no board waits for somebody's curiosity.
        device_silent_s: a known device that sent nothing for so long counts as silent.
        monotonic_s: clock.
    """

    def __init__(
        self,
        source: Source,
        *,
        device_silent_s: float = DEVICE_SILENT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._device_silent_s, self._monotonic_s = source, device_silent_s, monotonic_s
        self._devices = (0, 0)
        self._devices_read_s = float("-inf")
        self._lock = threading.Lock()
        self._facts = Facts()
        self._checked_s = self._read_s = float("-inf")

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of another query.

        Raises:
            StoreError: PostgreSQL failed.
        """
        return self._source.query(name, arguments)

    def read(self) -> Facts:
        """How things are now, or were within the last seconds; raises nothing."""
        with self._lock:
            now_s = self._monotonic_s()
            if now_s - self._checked_s >= CHECK_AGE_S:
                self._facts = self._look(self._facts, now_s)
                self._checked_s = self._monotonic_s()
            return self._facts

    def _look(self, known: Facts, now_s: float) -> Facts:
        now = checked(self._source)
        if now.error is not None:
            return now
        if known.figures is not None and now_s - self._read_s < FIGURES_AGE_S:
            return known
        try:
            figures, said = self._figures(), None
        except StoreError as error:
            figures, said = None, str(error)
        self._read_s = self._monotonic_s()
        return Facts(revision=now.revision, figures=figures, figures_error=said)

    def _figures(self) -> Figures:
        [(backlog, oldest_age_s)] = self._source.query("backlog")
        [(dead_letters,)] = self._source.query("dead_letter_count")
        [(default_used, next_month_missing)] = self._source.query("partitions")
        now_s = self._monotonic_s()
        if now_s - self._devices_read_s >= DEVICES_AGE_S:
            [self._devices] = self._source.query("devices", {"silent_s": self._device_silent_s})
            self._devices_read_s = now_s
        devices_known, devices_silent = self._devices
        return Figures(
            backlog=backlog,
            oldest_age_s=oldest_age_s,
            dead_letters=dead_letters,
            forwarders=tuple(ForwarderFacts(*row) for row in self._source.query("forwarders")),
            default_used=default_used,
            next_month_missing=next_month_missing,
            devices_known=devices_known,
            devices_silent=devices_silent,
        )
