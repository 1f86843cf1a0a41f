"""A PostgreSQL server for each test worker, an empty or a migrated database for each test."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from postgres_server import PlantkeeperDb, migrated_database, postgres_server

from plantkeeper_hil.stack.postgres import Postgres


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for a server of the test's own: Unix sockets need short paths, and root's server runs as nobody."""
    with tempfile.TemporaryDirectory(prefix="plantkeeper-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return iter(count(1))


@pytest.fixture
def empty_dsn(postgres: Postgres, _numbers: Iterator[int]) -> str:
    return postgres.create_database(f"test{next(_numbers)}")


@pytest.fixture(scope="session")
def plantkeeper_db() -> PlantkeeperDb:
    """Runs `plantkeeper-db` as a person does."""

    def run(*words: str, dsn: str | None) -> "subprocess.CompletedProcess[str]":
        environment = {} if dsn is None else {"PLANTKEEPER_DATABASE_DSN": dsn}
        return subprocess.run(
            [sys.executable, "-m", "plantkeeper_db", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def _template(postgres: Postgres, plantkeeper_db: PlantkeeperDb) -> str:
    return migrated_database(postgres, plantkeeper_db)


@pytest.fixture
def database_dsn(postgres: Postgres, _template: str, _numbers: Iterator[int]) -> str:
    return postgres.create_database(f"test{next(_numbers)}", template=_template)
