"""The backend carries requests out at once and answers after 30 s, when nobody waits any more."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_answers_late(make_trial: Callable[..., Trial], pytestconfig: pytest.Config) -> None:
    full = pytestconfig.getoption("--faults-full")
    trial = make_trial(backend_timeout_s=3.0 if full else 0.5)
    met = trial.backend_fault("late_answer", seconds=30.0 if full else 2.0, full=35.0, short=2.0)
    result = trial.finish(requests_met=met)
    assert result.repeats > 0, "nobody gave up waiting"
