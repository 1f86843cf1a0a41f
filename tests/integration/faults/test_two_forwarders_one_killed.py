"""Two forwarders share the work; one is killed (-9) mid-load, and the other goes on with its devices, in order."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_two_forwarders_one_killed(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(forwarders=2)
    trial.reach(0.2)
    trial.world.fault("late_answer", seconds=0.02)  # enough for readings to be on their way all the time
    trial.allow_until_applied(0.8, more=20)
    victim = trial.random.choice(trial.world.forwarders)
    trial.world.kill(victim)
    trial.world.mend()
    trial.wait(0.8)
    trial.finish(killed=victim)
