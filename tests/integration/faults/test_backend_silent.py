"""The backend is down for a minute: its port takes connections, and nobody answers on them."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_silent(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(backend_timeout_s=1.0)
    trial.reach(0.2)
    trial.allow(0.4)
    trial.wait(0.3)
    trial.world.stop_backend(refuse=False)
    trial.allow(0.8)
    lasted_s = trial.hold(full=60.0, short=1.5)
    trial.wait(0.8)
    trial.world.restart("backend")
    result = trial.finish(down_s=lasted_s)
    assert set(result.answers) == {"200"}
