"""`.ci/docker/with-docker` without an engine, for who cannot start one: it says so, and the command is not run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / ".ci" / "docker"
NOBODY = 65_534


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy that everybody can reach, and a `docker` beside it that finds no daemon."""
    folder = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, folder)
    docker = folder / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    for path in (folder, *(parent for parent in folder.parents if parent.is_relative_to("/tmp"))):
        if path != Path("/tmp"):
            path.chmod(0o755)
    return folder


def test_who_cannot_start_a_daemon_is_told(scripts: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    user = NOBODY if os.getuid() == 0 else None
    done = subprocess.run(
        [scripts / "with-docker", "touch", witness],
        env={"PATH": f"{scripts}:{os.defpath}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert done.returncode == 1
    assert "no Docker daemon answers, and only root can start one" in done.stderr
    assert not witness.exists()


def test_it_wants_a_command(scripts: Path) -> None:
    done = subprocess.run([scripts / "with-docker"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: with-docker COMMAND...\n")
