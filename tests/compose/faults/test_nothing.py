"""The control: nothing is broken. What goes wrong here is no fault's doing."""

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_nothing(trial: ContainerTrial) -> None:
    result = trial.finish()
    assert set(result.answers) == {"200"}
    assert (result.repeats, result.parked, result.unpromised) == (0, 0, 0)
