"""The backend is down for a minute: nobody listens, connections are refused."""

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_refuses(trial: Trial) -> None:
    trial.reach(0.2)
    trial.allow(0.4)
    trial.wait(0.3)
    trial.world.stop_backend(refuse=True)
    trial.allow(0.8)
    lasted_s = trial.hold(full=60.0, short=0.5)
    trial.wait(0.8)  # boards do not notice
    trial.world.restart("backend")
    result = trial.finish(down_s=lasted_s)
    assert set(result.answers) == {"200"}
