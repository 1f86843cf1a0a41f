"""PostgreSQL's container is killed (-9) under load and started again; it recovers from its log."""

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_db_killed(trial: ContainerTrial) -> None:
    trial.reach(0.2)
    kills = 3 if trial.size.full else 2
    for kill in range(kills):
        trial.allow(0.8)
        trial.wait(0.2 + 0.5 * (kill + trial.random.random()) / kills)  # it is in the middle of the next
        trial.world.kill("db")
        trial.hold(full=3.0, short=0.2)
        trial.world.start("db")
    trial.finish(kills=kills)
    assert trial.load.failures > 0, "no board noticed: the kills were not mid-load"
