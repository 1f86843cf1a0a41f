"""The forwarder is killed (-9) after the backend carried a reading out and before the forwarder could mark it."""

import pytest

from plantkeeper_hil.faults.trial import Trial

WINDOW_S = 1.0  # between the effect at the backend and its answer


@pytest.mark.fault
def test_forwarder_killed_between_send_and_mark(trial: Trial) -> None:
    trial.reach(0.2)
    kills = 5 if trial.size.full else 2
    for kill in range(kills):
        trial.world.fault("late_answer", seconds=WINDOW_S)
        trial.allow_until_applied(0.2 + 0.6 * (kill + 1) / kills, more=1)  # answered in a second: now is the window
        trial.world.kill("forwarder1")
        trial.world.mend()
        trial.world.restart("forwarder1")
    result = trial.finish(kills=kills)
    assert result.repeats >= kills, f"{kills} kills, but only {result.repeats} repeats: the window was missed"
