"""The backend carries requests out, and its answers break off in the middle."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_answers_half(trial: Trial) -> None:
    met = trial.backend_fault("half_answer", share=0.75, full=10.0, short=0.5)
    trial.finish(requests_met=met)
    assert met > 0
