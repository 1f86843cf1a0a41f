"""PostgreSQL for as long as tests need it, and databases to copy."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from plantkeeper_hil.stack.postgres import Postgres

PlantkeeperDb = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="plantkeeper-test-") as folder:
        server = Postgres(Path(folder) / "pg", log_dir=Path(folder))
        server.start()
        yield server
        server.stop()


def migrated_database(server: Postgres, plantkeeper_db: PlantkeeperDb) -> str:
    """The name of a migrated database that others are copies of: a migration takes a second, a copy 50 ms."""
    done = plantkeeper_db("migrate", dsn=server.create_database("migrated"))
    assert done.returncode == 0, done.stderr
    return "migrated"
