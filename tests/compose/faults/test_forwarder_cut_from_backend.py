"""The forwarder is taken out of the backend's network: boards notice nothing, and what waited arrives in order."""

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial


@pytest.mark.fault
def test_forwarder_cut_from_backend(trial: ContainerTrial) -> None:
    trial.reach(0.3)
    with trial.world.cut_off("forwarder", "backend"):
        trial.reach(0.7)
        lasted_s = trial.hold(full=20.0, short=4.0)
        waiting = trial.world.waiting()
    assert waiting is not None
    assert waiting > 0.3 * trial.size.readings, f"only {waiting} readings waited: the forwarder was not cut off"
    result = trial.finish(cut_off_s=lasted_s, waited=waiting)
    assert set(result.answers) == {"200"}, "boards were to notice nothing"
