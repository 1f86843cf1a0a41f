"""A clock, wires and a peer for each test of a part."""

from collections.abc import Callable, Iterator

import pytest

from plantkeeper_sim.testing import LooseWire, ManualClock, Peer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def new_wire(clock: ManualClock) -> Callable[[], LooseWire]:
    return lambda: LooseWire(clock)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as listening:
        yield listening
