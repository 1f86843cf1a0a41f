"""A world and a trial for each fault; one PostgreSQL of their own for all faults of a worker, since some stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from postgres_server import PlantkeeperDb, migrated_database, postgres_server

from plantkeeper_hil.faults.processes import ProcessWorld, WorldOptions
from plantkeeper_hil.faults.report import FaultResult
from plantkeeper_hil.faults.reporter import note
from plantkeeper_hil.faults.trial import Size, Trial
from plantkeeper_hil.stack.postgres import Postgres

_databases = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is slow, and starts processes."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """PostgreSQL, for faults to break; each mends it."""
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="session")
def migrated(server: Postgres, plantkeeper_db: PlantkeeperDb) -> str:
    return migrated_database(server, plantkeeper_db)


@pytest.fixture
def dsn(server: Postgres, migrated: str) -> Iterator[str]:
    """A database of the test's own; removed, since after a crash PostgreSQL syncs every file that it has."""
    name = f"fault{next(_databases)}"
    yield server.create_database(name, template=migrated)
    server.drop_database(name)


@pytest.fixture
def size(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Size:
    """The run's readings, divided among the faults that were chosen."""
    sharers = sum(item.get_closest_marker("fault") is not None for item in request.session.items)
    readings = -(-pytestconfig.getoption("--faults-readings") // max(1, sharers))
    return Size(readings, pytestconfig.getoption("--faults-full"), pytestconfig.getoption("--hil-seed"))


@pytest.fixture
def make_world(dsn: str, size: Size, tmp_path: Path) -> Iterator[Callable[..., ProcessWorld]]:
    """Starts a world; settings are WorldOptions'."""
    made: list[ProcessWorld] = []

    def make(**settings: object) -> ProcessWorld:
        options = {"dsn": dsn, "folder": tmp_path, "devices": size.devices, **settings}
        made.append(ProcessWorld(WorldOptions(**options)))  # type: ignore[arg-type] # a dataclass checks nothing
        made[-1].start()
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def make_trial(
    request: pytest.FixtureRequest, size: Size, make_world: Callable[..., ProcessWorld]
) -> Iterator[Callable[..., Trial]]:
    """Starts a world and its load; settings are WorldOptions', and:

    answer_timeout_s: how long a board waits.
    unknown: so many of the devices are not known to the backend.
    readings: at least so many, however short the run.
    """
    fault = request.path.stem.removeprefix("test_")
    properties = request.node.user_properties
    note(properties, FaultResult(fault, "failed"))  # until it has figures
    made: list[Trial] = []

    def make(*, answer_timeout_s: float = 4.0, unknown: int = 0, readings: int = 1, **settings: object) -> Trial:
        def take(result: FaultResult) -> None:
            note(properties, result)

        world = make_world(**{"devices": size.devices - unknown, **settings})
        enough = replace(size, readings=max(size.readings, readings))
        made.append(Trial(fault, world, enough, note=take, answer_timeout_s=answer_timeout_s))
        return made[-1]

    yield make
    for trial in made:
        trial.close()


@pytest.fixture
def trial(make_trial: Callable[..., Trial]) -> Trial:
    """A world with nothing special about it, and its load."""
    return make_trial()
