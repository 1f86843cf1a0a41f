"""Ways of committing readings, each as a load of its own on connections of its own.

One commit a reading over many connections is done by libpq's asynchronous calls in one thread, so that it is PostgreSQL
that is measured and not Python's lock between threads.
"""

from __future__ import annotations

import io
import itertools
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

TABLES = """
CREATE TABLE reading (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device_id integer NOT NULL,
    temperature float8, humidity float8, light float8, received_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE outbox (reading_id bigint NOT NULL, device_id integer NOT NULL, PRIMARY KEY (device_id, reading_id));
"""
ONE = """
WITH added AS (INSERT INTO reading (device_id, temperature, humidity, light) VALUES (%s, %s, %s, %s)
    RETURNING id, device_id)
INSERT INTO outbox (reading_id, device_id) SELECT id, device_id FROM added
"""
ARRAYS = """
WITH added AS (INSERT INTO reading (device_id, temperature, humidity, light)
    SELECT * FROM unnest(%s::integer[], %s::float8[], %s::float8[], %s::float8[]) RETURNING id, device_id)
INSERT INTO outbox (reading_id, device_id) SELECT id, device_id FROM added
"""
IDS = "SELECT nextval(pg_get_serial_sequence('reading', 'id')) FROM generate_series(1, %s)"
COPY_READING = "COPY reading (id, device_id, temperature, humidity, light) FROM STDIN"
COPY_OUTBOX = "COPY outbox (reading_id, device_id) FROM STDIN"
Reading = tuple[int, float, float, float]


def readings(devices: int = 1000) -> Iterator[Reading]:
    """Distinct readings of many devices, without end."""
    for n in itertools.count(1):
        yield (n - 1) % devices + 1, 10 + n % 3000 / 100, float(n % 101), float(n // 3000 % 2001)


def singly(dsn: str, connections: int, *, duration_s: float, commit_delay_us: int) -> tuple[int, float]:
    """One transaction a reading over so many connections at once.

    Args:
        commit_delay_us: how long PostgreSQL waits for others before it writes to disk, where at least 5 are busy.

    Returns:
        Readings committed, seconds.
    """
    source = readings()
    settings = f"-c commit_delay={commit_delay_us} -c commit_siblings=5"
    opened = [psycopg2.connect(dsn, async_=1, options=settings) for _ in range(connections)]
    try:
        for connection in opened:
            while (state := connection.poll()) != POLL_OK:
                _wait(connection, state)
        poller = select.epoll()
        by_fd = {connection.fileno(): (connection, connection.cursor()) for connection in opened}
        done, begin_s = 0, time.monotonic()
        for fd, (_, cursor) in by_fd.items():
            poller.register(fd, select.EPOLLIN)
            cursor.execute(ONE, next(source))
        busy = set(by_fd)
        while busy:
            over = time.monotonic() - begin_s >= duration_s
            for fd, _ in poller.poll(1.0):
                connection, cursor = by_fd[fd]
                if connection.poll() != POLL_OK:
                    continue
                done += 1
                if over:
                    busy.discard(fd)
                    poller.unregister(fd)
                else:
                    cursor.execute(ONE, next(source))
        return done, time.monotonic() - begin_s
    finally:
        for connection in opened:
            connection.close()


def by_arrays(dsn: str, size: int, *, duration_s: float) -> tuple[int, float]:
    """Batches of one size, one statement of arrays and one commit each."""

    def send(cursor: Any, batch: Sequence[Reading]) -> None:
        cursor.execute(ARRAYS, [list(column) for column in zip(*batch, strict=True)])

    return _batches(dsn, size, send, duration_s=duration_s)


def by_copy(dsn: str, size: int, *, duration_s: float) -> tuple[int, float]:
    """Batches of one size by COPY into both tables; the ids are drawn first, since COPY returns none."""

    def send(cursor: Any, batch: Sequence[Reading]) -> None:
        cursor.execute(IDS, (len(batch),))
        ids = [row[0] for row in cursor.fetchall()]
        rows = (f"{id_}\t{d}\t{t}\t{h}\t{li}\n" for id_, (d, t, h, li) in zip(ids, batch, strict=True))
        cursor.copy_expert(COPY_READING, io.StringIO("".join(rows)))
        entries = (f"{id_}\t{reading[0]}\n" for id_, reading in zip(ids, batch, strict=True))
        cursor.copy_expert(COPY_OUTBOX, io.StringIO("".join(entries)))

    return _batches(dsn, size, send, duration_s=duration_s)


def _batches(
    dsn: str, size: int, send: Callable[[Any, Sequence[Reading]], None], *, duration_s: float
) -> tuple[int, float]:
    source = readings()
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        done, begin_s = 0, time.monotonic()
        while time.monotonic() - begin_s < duration_s:
            send(cursor, list(itertools.islice(source, size)))
            connection.commit()
            done += size
        return done, time.monotonic() - begin_s


def _wait(connection: Any, state: int) -> None:
    fd = connection.fileno()
    select.select([fd] if state == POLL_READ else [], [fd] if state == POLL_WRITE else [], [], 5.0)
