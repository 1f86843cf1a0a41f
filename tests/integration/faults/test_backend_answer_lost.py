"""The backend carries requests out and closes the connection without an answer: the forwarder cannot know."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_answer_lost(trial: Trial) -> None:
    trial.reach(0.2)
    trial.allow(0.7)
    lost = 0
    for _ in range(6 if trial.size.full else 3):
        trial.world.fault("close_after_apply", count=5)
        lost += 5
        trial.wait_until_applied(more=30 if trial.size.full else 10)
    trial.world.mend()
    result = trial.finish(answers_lost=lost)
    assert result.repeats > 0, "no answer was lost"
