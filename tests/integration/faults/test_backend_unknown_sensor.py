"""Some devices are not known to the backend (401): their readings wait, others pass; then all arrive in order."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.faults.world import wait_for

UNKNOWN = 4


@pytest.mark.fault
def test_backend_unknown_sensor(make_trial: Callable[..., Trial], pytestconfig: pytest.Config) -> None:
    trial = make_trial(unknown=UNKNOWN)
    first = trial.size.devices - UNKNOWN + 1
    unknown = range(first, trial.size.devices + 1)
    trial.reach(0.8)
    waiting = "SELECT count(*) FROM outbox WHERE device_id < %s"
    wait_for(
        lambda: trial.world.execute(waiting, first) == [(0,)],
        "delivery of all devices that the backend knows",
        timeout_s=trial.size.patience_s,
    )
    refused = [entry for entry in trial.world.journal() if entry["status"] == 401]
    assert {entry["sensor_id"] for entry in refused} == set(unknown)
    acknowledged = sum(sent.acknowledged for number in unknown for sent in trial.load.ledger.of(number))
    assert trial.world.waiting() == acknowledged > 0, "a reading of an unknown sensor went somewhere"
    trial.world.create_sensors(unknown)
    trial.finish(unknown=UNKNOWN, waited=acknowledged, refusals=len(refused))
