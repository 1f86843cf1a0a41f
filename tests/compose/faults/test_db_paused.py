"""PostgreSQL's container stands still (the freezer of its cgroup); boards give up waiting and try again."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_db_paused(make_trial: Callable[..., ContainerTrial], pytestconfig: pytest.Config) -> None:
    trial = make_trial(answer_timeout_s=2.0 if pytestconfig.getoption("--faults-full") else 0.5)  # less than the pause
    trial.reach(0.3)
    with trial.world.paused("db"):
        before = trial.load.acknowledged
        trial.allow(0.7)
        lasted_s = trial.hold(full=10.0, short=2.0)
        taken_meanwhile = trial.load.acknowledged - before
    result = trial.finish(paused_s=lasted_s)
    assert taken_meanwhile <= trial.size.devices, "readings were acknowledged while nothing could be stored"
    assert result.answers["timeout"] > 0, "no board waited in vain"
