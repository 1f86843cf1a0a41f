"""Gateway and forwarder are killed (-9) in the same moment, mid-load, and started again."""

import pytest

from plantkeeper_hil.faults.trial import Trial

WINDOW_S = 1.0


@pytest.mark.fault
def test_gateway_and_forwarder_killed(trial: Trial) -> None:
    trial.reach(0.2)
    kills = 4 if trial.size.full else 1
    step = 0.6 / kills
    for kill in range(kills):
        begin = 0.2 + step * kill
        trial.world.fault("late_answer", seconds=WINDOW_S)
        trial.allow_until_applied(begin + 0.1 * step, more=1)
        trial.allow(begin + step)
        trial.wait(begin + step * (0.15 + 0.1 * trial.random.random()))  # most of the step is still to come
        trial.world.kill("gateway", "forwarder1")
        trial.world.mend()
        trial.world.restart("gateway", "forwarder1")
    result = trial.finish(kills=kills)
    assert trial.load.failures > 0, "no board noticed: the kills were not mid-load"
    assert result.repeats > 0, "nothing was repeated: the forwarder was killed while nothing was on its way"
