"""What can be done to a PostgreSQL server: paused, all its connections taken, its sessions cut."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import psycopg2

from plantkeeper_hil.errors import FaultRunError

SLOTS_TIMEOUT_S = 20.0
QUIET_S = 0.5
CUT = """
SELECT count(*) FROM (
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> ALL(%s)
) AS cut
"""


@contextlib.contextmanager
def paused(pid: int) -> Iterator[int]:
    """Stop the server and all its processes as they stand (SIGSTOP); go on at the end (SIGCONT).

    Yields:
        How many processes were stopped.
    """
    stopped: list[psutil.Process] = []
    server = psutil.Process(pid)
    try:
        server.suspend()  # first, so that it starts no more
        stopped.append(server)
        for child in server.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.suspend()
                stopped.append(child)
        yield len(stopped)
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


@contextlib.contextmanager
def connections_exhausted(dsn: str, *, cut_others: bool) -> Iterator[int]:
    """Take every connection that the server gives, those reserved for superusers too.

    Args:
        dsn: of a superuser, so that none is left.
        cut_others: True ends all other sessions of this database, which then find no place to come back to.

    Yields:
        How many connections were taken.
    """
    taken: list[psycopg2.extensions.connection] = []
    try:
        _take_all(dsn, taken)
        if cut_others:
            if not taken:
                raise FaultRunError("others hold all connections already; nobody is left to cut them")
            # Until nobody else holds a place: a session that is being cut frees its own a moment later, and
            # whoever is quicker to it than we are is cut in turn.
            quiet_since_s = end_s = time.monotonic()
            end_s += SLOTS_TIMEOUT_S
            while time.monotonic() < quiet_since_s + QUIET_S:
                if time.monotonic() > end_s:
                    raise FaultRunError(f"others still came in after {SLOTS_TIMEOUT_S:g} s of cutting their sessions")
                others_cut = _cut(taken)
                if _take_all(dsn, taken) or others_cut:
                    quiet_since_s = time.monotonic()
                time.sleep(0.01)
        yield len(taken)
    finally:
        for connection in taken:
            connection.close()


def _take_all(dsn: str, taken: list[psycopg2.extensions.connection]) -> int:
    """Connect until the server refuses; how many that were."""
    before = len(taken)
    while True:
        try:
            taken.append(psycopg2.connect(dsn, connect_timeout=5, application_name="taker"))
        except psycopg2.OperationalError as error:
            if "too many clients" not in str(error) and "remaining connection slots" not in str(error):
                raise
            return len(taken) - before
        taken[-1].autocommit = True


def _cut(taken: list[psycopg2.extensions.connection]) -> int:
    """End all sessions of the database but these; how many those were."""
    with taken[0].cursor() as cursor:
        cursor.execute(CUT, ([connection.info.backend_pid for connection in taken],))
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def cut_sessions(execute: Callable[..., list[tuple[object, ...]]]) -> int:
    """End every session of the database but the caller's own; how many those were.

    Args:
        execute: runs a query on the database.
    """
    return int(str(execute(CUT.replace("pid <> ALL(%s)", "pid <> pg_backend_pid()"))[0][0]))
