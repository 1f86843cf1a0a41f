"""The gateway is killed (-9) mid-load and started again on the same listening socket; boards see resets."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_gateway_killed(trial: Trial) -> None:
    trial.reach(0.2)
    kills = 5 if trial.size.full else 2
    for kill in range(kills):
        trial.allow(0.8)
        trial.wait(0.2 + 0.5 * (kill + trial.random.random()) / kills)  # it is in the middle of the next
        trial.world.kill("gateway")
        trial.world.restart("gateway")
    trial.finish(kills=kills)
    assert trial.load.failures > 0, "no board noticed: the kills were not mid-load"
