"""PostgreSQL stands still for 10 s (SIGSTOP of all its processes); boards give up waiting and try again."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.database import paused
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.stack.postgres import Postgres


@pytest.mark.fault
def test_postgres_paused(make_trial: Callable[..., Trial], server: Postgres, pytestconfig: pytest.Config) -> None:
    full = pytestconfig.getoption("--faults-full")
    trial = make_trial(answer_timeout_s=2.0 if full else 0.5)  # less than the pause
    trial.reach(0.3)
    with paused(server.pid) as stopped:
        before = trial.load.acknowledged
        trial.allow(0.7)
        lasted_s = trial.hold(full=10.0, short=1.5)
        taken_meanwhile = trial.load.acknowledged - before
    assert stopped > 1
    result = trial.finish(processes_stopped=stopped, paused_s=lasted_s)
    assert taken_meanwhile <= trial.size.devices, "readings were acknowledged while nothing could be stored"
    assert result.answers["timeout"] > 0, "no board waited in vain"
