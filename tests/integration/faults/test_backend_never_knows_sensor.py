"""Some devices are never known to the backend (401): after N tries each of their readings is a dead letter."""

from collections.abc import Callable

import pytest

from plantkeeper_hil.faults.trial import Trial

UNKNOWN = 2
TRIES = 2


@pytest.mark.fault
def test_backend_never_knows_sensor(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(unknown=UNKNOWN, settings={"PLANTKEEPER_UNKNOWN_SENSOR_ATTEMPTS": str(TRIES)})
    unknown = range(trial.size.devices - UNKNOWN + 1, trial.size.devices + 1)
    trial.reach(0.3)
    result = trial.finish(unknown=UNKNOWN, tries=TRIES)
    acknowledged = sum(sent.acknowledged for number in unknown for sent in trial.load.ledger.of(number))
    assert result.parked == acknowledged > 0
    refused = [entry["sensor_id"] for entry in trial.world.journal() if entry["status"] == 401]
    assert set(refused) == set(unknown)
    assert len(refused) == TRIES * acknowledged
