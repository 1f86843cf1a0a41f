"""The backend redirects to another host, which a gateway must not follow."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_redirects(trial: Trial) -> None:
    met = trial.backend_fault("redirect", full=10.0, short=0.5)
    trial.finish(requests_met=met)
    assert met > 0
