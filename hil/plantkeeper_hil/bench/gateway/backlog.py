"""Makes a backlog by SQL: readings that were accepted and wait for the backend, as after a long outage.

The only place of the benchmark that knows tables. Columns are read from the catalog, so that a schema which carries
more or fewer of the values below is served too; one that demands what is not known here is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg2

from plantkeeper_hil.bench.gateway.errors import BenchError

CHUNK = 50_000
VALUES: Mapping[str, str] = {
    "device_id": "(n - 1) % %(devices)s + 1",
    "temperature": "10 + n %% 3000 / 100.0",
    "humidity": "n %% 101",
    "light": "n %% 2001",
    "measured_at": "now()",
    "received_at": "now()",
}
COLUMNS = """
SELECT column_name, is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER'
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position
"""


@dataclass(frozen=True)
class Column:
    """A column, and whether a row cannot be without a value for it."""

    name: str
    demanded: bool


def statement(reading: Sequence[Column], outbox: Sequence[Column]) -> str:
    """SQL that adds readings n = first … last with their outbox entries.

    Raises:
        BenchError: a table demands a column that is not known here.
    """
    reading_names = _known("reading", reading, VALUES)
    outbox_names = _known("outbox", outbox, {**{name: name for name in reading_names}, "reading_id": "id"})
    expressions = ", ".join(VALUES[name].replace("% %(", "%% %(") for name in reading_names)
    taken = ", ".join("id" if name == "reading_id" else name for name in outbox_names)
    return (
        f"WITH added AS (INSERT INTO reading ({', '.join(reading_names)}) SELECT {expressions} "  # noqa: S608 - names
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n ORDER BY n "
        f"RETURNING id, {', '.join(reading_names)}) "
        f"INSERT INTO outbox ({', '.join(outbox_names)}) SELECT {taken} FROM added ORDER BY id"
    )


def fill(dsn: str, count: int, *, devices: int) -> None:
    """Add so many waiting readings of so many devices, and tell forwarders.

    Raises:
        BenchError: the schema is not one that this module knows.
    """
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            tables: list[list[Column]] = []
            for table in ("reading", "outbox"):
                cursor.execute(COLUMNS, (table,))
                tables.append([Column(str(name), bool(demanded)) for name, demanded in cursor.fetchall()])
            insert = statement(tables[0], tables[1])
            for first in range(1, count + 1, CHUNK):
                last = min(count, first + CHUNK - 1)
                cursor.execute(insert, {"first": first, "last": last, "devices": devices})
            cursor.execute("SELECT pg_notify('outbox', '')")
    finally:
        connection.close()


def _known(table: str, columns: Sequence[Column], known: Mapping[str, str]) -> list[str]:
    unknown = [column.name for column in columns if column.demanded and column.name not in known]
    if unknown or not columns:
        raise BenchError(
            f"table {table} demands {', '.join(unknown) or 'to exist'}; give it a value in {__name__}.VALUES"
        )
    return [column.name for column in columns if column.name in known]
