"""The backend carries requests out and closes the connection without an answer: the forwarder cannot know."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_answer_lost(trial: Trial) -> None:
    trial.reach(0.2)
    rounds, lost = (6, 5) if trial.size.full else (3, 5)
    for number in range(1, rounds + 1):
        trial.world.fault("close_after_apply", count=lost)
        trial.allow(0.2 + 0.6 * number / rounds)
        trial.wait_until_fault_is_over()
    result = trial.finish(answers_lost=rounds * lost)
    assert result.repeats == rounds * lost
