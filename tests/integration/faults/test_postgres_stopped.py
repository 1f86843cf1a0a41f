"""PostgreSQL is stopped hard (immediate: no goodbye, crash recovery at the next start) and started again."""

import signal

import pytest

from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.stack.postgres import Postgres


@pytest.mark.fault
def test_postgres_stopped(trial: Trial, server: Postgres) -> None:
    trial.reach(0.2)
    stops = 4 if trial.size.full else 2
    for stop in range(stops):
        trial.allow(0.8)
        trial.wait(0.2 + 0.5 * (stop + trial.random.random()) / stops)
        server.stop(signal.SIGQUIT)
        trial.hold(full=3.0, short=0.2)
        server.start()
    trial.finish(stops=stops)
    assert trial.load.failures > 0, "no board noticed: PostgreSQL was not stopped mid-load"
