"""The database lives on a disk of a few megabytes (a tmpfs), which fills up under the load and is cleared again.

PostgreSQL's own ENOSPC, on whichever page or index it meets first; its log of transactions stays on the other disk,
since without that the server stops, which is `test_postgres_stopped.py`. Needs the right to mount, or the small
`/dev/shm` of a container. Elsewhere it is skipped, and says so; `test_disk_full.py` has the same error everywhere.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from plantkeeper_hil.errors import FaultRunError
from plantkeeper_hil.faults.small_disk import SmallDisk, small_disk
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.stack.postgres import Postgres, account

MEGABYTES = 64


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(small_disk(megabytes=MEGABYTES))
        except FaultRunError as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def dsn(server: Postgres, migrated: str, disk: SmallDisk) -> Iterator[str]:
    """A database of the test's own on the small disk, in place of the usual one."""
    space = disk.folder / "space"
    space.mkdir(mode=0o700)
    identity = account()
    if identity is not None:
        os.chown(space, *identity)
    yield server.create_database("full_disk", template=migrated, tablespace=space)
    server.drop_database("full_disk", tablespace=space)


@pytest.mark.fault
def test_disk_full_for_real(make_trial: Callable[..., Trial], disk: SmallDisk) -> None:
    trial = make_trial(readings=2_000)  # enough to need new pages
    trial.reach(0.2)
    trial.allow(0.9)
    filled = 0
    for _ in range(3 if trial.size.full else 1):
        seen = trial.load.answers["503"]
        filled += disk.fill()
        while trial.load.answers["503"] == seen and trial.load.acknowledged < 0.85 * trial.size.readings:
            trial.hold(full=0.02, short=0.02)
        trial.hold(full=3.0, short=0.3)
        disk.make_room()
    result = trial.finish(bytes_filled=filled)
    assert result.answers["503"] > 0, "the disk was never full"
    assert "No space left on device" in trial.world.log("gateway")
