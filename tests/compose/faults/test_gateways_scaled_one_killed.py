"""Two and three gateways share the load; one is killed (-9), boards go on with the others, and it comes back."""

from collections.abc import Callable, Iterator

import pytest

from plantkeeper_hil.faults.containers import ContainerTrial, ContainerWorld
from plantkeeper_hil.stack.compose import ComposeStack


@pytest.fixture(autouse=True)
def one_gateway_afterwards(composed: ComposeStack) -> Iterator[None]:
    yield
    world = ContainerWorld(composed)
    world.scale_gateways(1)
    world.close()


@pytest.mark.fault
@pytest.mark.parametrize("gateways", [2, 3])
def test_gateways_scaled_one_killed(gateways: int, make_trial: Callable[..., ContainerTrial]) -> None:
    trial = make_trial(name=f"{gateways}_gateways_one_killed")
    trial.reach(0.2)
    trial.world.scale_gateways(gateways)
    assert len(trial.world.gateways) == gateways
    trial.allow(0.9)
    trial.wait(0.3)
    victim = trial.random.randint(1, gateways)
    trial.world.kill("gateway", victim)
    trial.wait(0.7)  # the others take what comes
    trial.world.start("gateway", victim)
    trial.wait(0.9)
    trial.finish(killed=victim)
    assert trial.load.failures > 0, "no board noticed: the kill was not mid-load"
