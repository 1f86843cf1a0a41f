"""The backend's front accepts requests and closes without an answer, as one does whose backend is down."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_closes(trial: Trial) -> None:
    met = trial.backend_fault("close", full=10.0, short=0.5)
    trial.finish(requests_met=met)
    assert met > 0
