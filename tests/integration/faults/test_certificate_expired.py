"""In place of the backend is a server whose certificate is the right authority's and expired yesterday.

It must be refused and sent nothing, an alarm must name it, and delivery resumes once the backend is back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plantkeeper_hil.faults.certificates import is_refused_and_sent_nothing, raises_an_alarm_until_mended
from plantkeeper_hil.faults.processes import ProcessWorld
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_sim.backend import tls


def impostors(folder: Path, world: ProcessWorld) -> Path:
    """Its certificate and key."""
    now, day = datetime.now(UTC), timedelta(days=1)
    tls.issue(folder / "impostor", authority=world.authority, not_before=now - 30 * day, not_after=now - day)
    return folder / "impostor"


@pytest.mark.fault
def test_certificate_expired(trial: Trial, tmp_path: Path) -> None:
    is_refused_and_sent_nothing(trial, impostors(tmp_path, trial.world))


def test_certificate_expired_raises_an_alarm(make_world: Callable[..., ProcessWorld], tmp_path: Path) -> None:
    world = make_world()
    raises_an_alarm_until_mended(world, impostors(tmp_path, world))
