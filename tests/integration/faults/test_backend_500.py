"""The backend answers 500 (its database is down)."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_500(trial: Trial) -> None:
    met = trial.backend_fault("status", status=500, full=10.0, short=0.5)
    trial.finish(requests_met=met)
    assert met > 0
