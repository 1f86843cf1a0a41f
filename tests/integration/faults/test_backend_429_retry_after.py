"""The backend answers 429 with Retry-After, and is not asked again before."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_429_retry_after(trial: Trial) -> None:
    after_s = 5 if trial.size.full else 1
    trial.retry_after_is_honoured(429, after_s=after_s)
    trial.finish(retry_after_s=after_s)
