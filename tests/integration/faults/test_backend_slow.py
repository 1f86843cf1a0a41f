"""The backend takes its time for each request, less than the forwarder waits for; the boards are not slowed down."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_slow(trial: Trial) -> None:
    met = trial.backend_fault("delay", seconds=0.5, full=10.0, short=1.0)
    trial.finish(requests_met=met)
    assert met > 0
