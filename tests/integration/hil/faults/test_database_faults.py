"""What is done to PostgreSQL really happens to it, and is undone."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import psycopg2
import pytest

from plantkeeper_hil.faults.database import connections_exhausted, cut_sessions, paused
from plantkeeper_hil.stack.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def answer(dsn: str) -> int:
    connection = psycopg2.connect(dsn, connect_timeout=2)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return int(cursor.fetchone()[0])  # type: ignore[index] # there is a row
    finally:
        connection.close()


@pytest.fixture
def server(short_folder: Path) -> Postgres:
    return Postgres(short_folder / "pg", log_dir=short_folder)


def test_paused_exhausted_and_cut(server: Postgres) -> None:
    server.start()
    try:
        dsn = server.create_database()
        with paused(server.pid) as stopped, pytest.raises(psycopg2.OperationalError, match="timeout expired"):
            answer(dsn)
        assert stopped >= 4
        assert answer(dsn) == 1

        ours = psycopg2.connect(dsn)
        with connections_exhausted(dsn, cut_others=True) as taken:
            assert taken == 40  # all that the server has, ours with them
            with pytest.raises(psycopg2.OperationalError, match="too many clients"):
                answer(dsn)
            with pytest.raises(psycopg2.OperationalError), ours.cursor() as cursor:
                cursor.execute("SELECT 1")
        assert answer(dsn) == 1

        def execute(query: str) -> list[tuple[object, ...]]:
            connection = psycopg2.connect(dsn)
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                rows = list(cursor.fetchall())
            connection.close()
            return rows

        other = psycopg2.connect(dsn)
        assert cut_sessions(execute) >= 1
        with pytest.raises(psycopg2.OperationalError), other.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        server.stop()


def test_one_who_comes_back_at_once_is_kept_out_too(server: Postgres) -> None:
    server.start()
    try:
        dsn = server.create_database()
        answered: list[float] = []
        stop = threading.Event()

        def insist() -> None:
            while not stop.is_set():
                with contextlib.suppress(psycopg2.OperationalError), contextlib.closing(psycopg2.connect(dsn)) as ours:
                    while not stop.is_set():
                        ours.cursor().execute("SELECT 1")
                        answered.append(time.monotonic())

        insistent = [threading.Thread(target=insist) for _ in range(4)]
        for thread in insistent:
            thread.start()
        try:
            with connections_exhausted(dsn, cut_others=True):
                shut_out_s = time.monotonic()
                with pytest.raises(psycopg2.OperationalError, match="too many clients"):
                    answer(dsn)
                assert not [at_s for at_s in answered if at_s > shut_out_s]
        finally:
            stop.set()
            for thread in insistent:
                thread.join()
        assert answered
    finally:
        server.stop()
