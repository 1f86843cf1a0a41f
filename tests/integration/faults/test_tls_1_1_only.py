"""In place of the backend is a server with the right certificate that offers TLS 1.1 and nothing later.

It must be refused and sent nothing, an alarm must name it, and delivery resumes once the backend is back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plantkeeper_hil.faults.certificates import is_refused_and_sent_nothing, raises_an_alarm_until_mended
from plantkeeper_hil.faults.processes import ProcessWorld
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_sim.backend import tls


def impostors(folder: Path, world: ProcessWorld) -> Path:
    """Its certificate and key."""
    tls.issue(folder / "impostor", authority=world.authority)
    return folder / "impostor"


@pytest.mark.fault
def test_tls_1_1_only(trial: Trial, tmp_path: Path) -> None:
    is_refused_and_sent_nothing(trial, impostors(tmp_path, trial.world), only_tls_1_1=True)


def test_tls_1_1_only_raises_an_alarm(make_world: Callable[..., ProcessWorld], tmp_path: Path) -> None:
    world = make_world()
    raises_an_alarm_until_mended(world, impostors(tmp_path, world), only_tls_1_1=True)
