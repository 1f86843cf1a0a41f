"""The gateway is taken out of the database's network: boards are told to come again, and nothing is acknowledged."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_gateway_cut_from_db(make_trial: Callable[..., ContainerTrial]) -> None:
    trial = make_trial(answer_timeout_s=8.0)  # longer than the gateway waits, so that its 503 is heard
    trial.reach(0.3)
    with trial.world.cut_off("gateway", "database"):
        before = trial.load.acknowledged
        trial.allow(0.7)
        lasted_s = trial.hold(full=20.0, short=7.0)
        taken_meanwhile = trial.load.acknowledged - before
    result = trial.finish(cut_off_s=lasted_s)
    assert taken_meanwhile <= trial.size.devices, "readings were acknowledged while nothing could be stored"
    assert result.answers["503"] > 0, "no board was told"
