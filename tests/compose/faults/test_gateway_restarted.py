"""The gateway is asked to end and started again, as an upgrade does; requests that were begun are answered."""

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_gateway_restarted(trial: ContainerTrial) -> None:
    trial.reach(0.2)
    restarts = 4 if trial.size.full else 2
    for restart in range(restarts):
        trial.allow(0.8)
        trial.wait(0.2 + 0.5 * (restart + trial.random.random()) / restarts)
        trial.world.restart("gateway")
    trial.finish(restarts=restarts)
    assert trial.load.failures > 0, "no board noticed: the restarts were not mid-load"
