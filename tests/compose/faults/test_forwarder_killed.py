"""The forwarder's container is killed (-9) while readings are on their way, and started again."""

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_forwarder_killed(trial: ContainerTrial) -> None:
    trial.reach(0.2)
    trial.world.fault("late_answer", seconds=0.02)  # enough for readings to be on their way all the time
    trial.allow_until_applied(0.8, more=20)
    trial.world.kill("forwarder")
    trial.world.mend()
    trial.wait(0.8)
    trial.world.start("forwarder")
    result = trial.finish()
    assert set(result.answers) == {"200"}, "boards were to notice nothing"
