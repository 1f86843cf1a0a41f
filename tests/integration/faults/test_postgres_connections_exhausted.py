"""Others take all of PostgreSQL's connections, those reserved for superusers too, while ours are cut."""

import pytest

from plantkeeper_hil.faults.database import connections_exhausted
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.stack.postgres import Postgres


@pytest.mark.fault
def test_postgres_connections_exhausted(trial: Trial, server: Postgres) -> None:
    trial.reach(0.2)
    trial.allow(0.6)
    trial.wait(0.3)
    with connections_exhausted(trial.world.options.dsn, cut_others=True) as taken:
        before = trial.load.acknowledged
        trial.allow(0.9)
        trial.hold(full=10.0, short=0.6)
        assert trial.load.acknowledged == before, "readings were acknowledged without a connection to store them"
    result = trial.finish(connections_taken=taken)
    assert taken > 30
    assert result.answers["503"] > 0
