"""A trial for each fault on the composed stack: devices of its own, and the stack whole again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial, ContainerWorld
from plantkeeper_hil.faults.ledger import Sent
from plantkeeper_hil.faults.report import FaultResult
from plantkeeper_hil.faults.reporter import note
from plantkeeper_hil.faults.trial import Size
from plantkeeper_hil.stack.compose import KNOWN_SENSORS, ComposeStack

FIRST_DEVICE = 101  # those below are other tests'
_trials = count()
_open: list[Sent] = []  # of trials that are over: one stack serves all


@pytest.fixture
def size(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Size:
    """The run's readings, divided among the faults that were chosen."""
    sharers = sum(item.get_closest_marker("fault") is not None for item in request.session.items)
    readings = -(-pytestconfig.getoption("--faults-readings") // max(1, sharers))
    return Size(readings, pytestconfig.getoption("--faults-full"), pytestconfig.getoption("--hil-seed"))


@pytest.fixture
def make_trial(
    request: pytest.FixtureRequest, size: Size, composed: ComposeStack
) -> Iterator[Callable[..., ContainerTrial]]:
    """Starts a load on the stack.

    answer_timeout_s: how long a board waits.
    name: of the fault, where a file has several.
    """
    properties = request.node.user_properties
    made: list[ContainerTrial] = []

    def make(*, answer_timeout_s: float = 4.0, name: str | None = None) -> ContainerTrial:
        fault = "composed_" + (name or request.path.stem.removeprefix("test_"))
        note(properties, FaultResult(fault, "failed"))  # until it has figures
        first = FIRST_DEVICE + next(_trials) * size.devices
        assert first + size.devices <= KNOWN_SENSORS, "more trials than the mock backend has sensors for"

        def take(result: FaultResult) -> None:
            note(properties, result)

        world = ContainerWorld(composed)
        made.append(
            ContainerTrial(
                fault,
                world,
                size,
                note=take,
                answer_timeout_s=answer_timeout_s,
                first_device=first,
                earlier=tuple(_open),
            )
        )
        return made[-1]

    yield make
    for trial in made:
        trial.close()
        _open.extend(trial.open)
        trial.world.close()


@pytest.fixture
def trial(make_trial: Callable[..., ContainerTrial]) -> ContainerTrial:
    """A load with nothing special about it."""
    return make_trial()
