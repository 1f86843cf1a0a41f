"""The backend closes idle kept connections after 5 s; what is sent on one in that very moment meets a reset."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_backend_closes_idle_connections(make_trial: Callable[..., Trial], pytestconfig: pytest.Config) -> None:
    keep_alive_s = 5.0 if pytestconfig.getoption("--faults-full") else 0.3
    trial = make_trial(keep_alive_s=keep_alive_s)
    pauses = 12 if trial.size.full else 8
    for pause in range(pauses):
        trial.reach(0.1 + 0.8 * pause / pauses)
        trial.world.wait_drained(timeout_s=trial.size.patience_s)
        # the connections idle from here on: once more about when they are closed, a little before or after
        idle_s = keep_alive_s + trial.random.uniform(-0.01, 0.02)
        trial.hold(full=idle_s, short=idle_s)
    result = trial.finish(pauses=pauses, keep_alive_s=keep_alive_s)
    assert set(result.answers) == {"200"}
