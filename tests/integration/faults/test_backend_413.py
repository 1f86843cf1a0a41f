"""The backend finds some readings too large (413): those are parked, all others delivered in order."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_413(trial: Trial) -> None:
    refusals = 20 if trial.size.full else 5
    trial.reach(0.2)
    trial.world.fault("status", status=413, count=refusals, message="request entity too large")
    trial.allow(0.6)
    trial.wait_until_fault_is_over()
    result = trial.finish(refusals=refusals)
    assert result.parked == refusals
