"""Monthly partitions of the readings: made ahead of their time, dropped when they are old enough."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

from plantkeeper_db.errors import MigrationError
from plantkeeper_db.schema import status

NAME = re.compile(r"reading_([0-9]{4})_([0-9]{2})")
PARTITIONS = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reading'::regclass ORDER BY 1")
# readings that the backend does not have yet, or never took: whoever decides about them needs their row
NEEDED = text(
    "SELECT (SELECT count(*) FROM outbox WHERE received_at >= :first AND received_at < :beyond),"
    " (SELECT count(*) FROM dead_letter WHERE received_at >= :first AND received_at < :beyond)"
)


@dataclass(frozen=True)
class Month:
    """A month of the calendar, in UTC."""

    number: int  # since the year 0

    @classmethod
    def of(cls, day: date) -> Month:
        """The month that a day lies in."""
        return cls(day.year * 12 + day.month - 1)

    @property
    def first(self) -> datetime:
        """Its first moment."""
        return datetime(self.number // 12, self.number % 12 + 1, 1, tzinfo=UTC)

    @property
    def partition(self) -> str:
        """The name of its partition."""
        return f"reading_{self.first:%Y_%m}"

    def __add__(self, months: int) -> Month:
        """So many months later."""
        return Month(self.number + months)


@dataclass(frozen=True)
class Retention:
    """What `drop_old` did, or would do.

    Args:
        dropped: partitions, with their number of readings.
        kept: partitions that are old enough, and why they stay.
        keys: idempotency keys that went with them.
    """

    dropped: dict[str, int]
    kept: dict[str, str]
    keys: int


def month_of_partition(name: str) -> Month | None:
    """The month of a partition's name; None for the default partition and for tables made by hand."""
    match = NAME.fullmatch(name)
    if match is None or not 1 <= int(match[2]) <= 12:
        return None
    return Month(int(match[1]) * 12 + int(match[2]) - 1)


def make_ahead(connection: Connection, *, today: date, months: int) -> list[str]:
    """Make the partitions of this month and of so many months after it; returns those that were missing.

    What the default partition holds of these months moves into them.

    Raises:
        MigrationError: the schema is not up to date.
    """
    _need_schema(connection)
    made: list[str] = []
    for offset in range(months + 1):
        month = Month.of(today) + offset
        if connection.execute(text("SELECT make_reading_partition(:day)"), {"day": month.first.date()}).scalar_one():
            made.append(month.partition)
        connection.commit()  # the lock on all readings is held for one month at a time
    return made


def drop_old(connection: Connection, *, today: date, keep_months: int, dry_run: bool) -> Retention:
    """Drop the partitions of months that ended more than `keep_months` months before this one.

    Those that hold readings that still wait for the backend, or dead letters, stay.

    Raises:
        MigrationError: the schema is not up to date.
    """
    _need_schema(connection)
    oldest_kept = Month.of(today) + -keep_months
    dropped: dict[str, int] = {}
    kept: dict[str, str] = {}
    keys = 0
    for (name,) in connection.execute(PARTITIONS).all():
        month = month_of_partition(name)
        if month is None or month.number >= oldest_kept.number:
            continue
        bounds = {"first": month.first, "beyond": (month + 1).first}
        waiting, dead = connection.execute(NEEDED, bounds).one()
        if waiting or dead:
            kept[name] = f"{waiting} readings wait for the backend, {dead} are dead letters"
            continue
        dropped[name] = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - our name
        where = "FROM reading_key WHERE received_at >= :first AND received_at < :beyond"
        if dry_run:
            keys += connection.execute(text(f"SELECT count(*) {where}"), bounds).scalar_one()
        else:
            connection.execute(text(f"DROP TABLE {name}"))
            keys += connection.execute(text(f"DELETE {where}"), bounds).rowcount
        connection.commit()
    return Retention(dropped, kept, keys)


def _need_schema(connection: Connection) -> None:
    there = status(connection)
    if not there.up_to_date:
        raise MigrationError(
            f"the schema is at revision {there.current or 'none'}, this needs {there.head}; run plantkeeper-db migrate"
        )
