"""`docker compose`, for what it does better than the engine's API: building, bringing up, scaling, taking down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plantkeeper_hil.errors import StackError

LINES_SHOWN = 20
TIMEOUT_S = 600.0
WITHOUT_DOCKER = (
    "install Docker with Compose v2.24 or later; as root on Debian, .ci/docker/with-docker COMMAND brings it for the "
    "time of a command"
)


@dataclass(frozen=True)
class Compose:
    """A project of Docker Compose.

    Args:
        project: its name, which all that belongs to it carries.
        files: compose files, each over the one before.
        environment: variables of these files.
        log: gets all that is said.
    """

    project: str
    files: Sequence[Path]
    environment: Mapping[str, str] = field(repr=False)
    log: Path

    def run(self, *words: str, timeout_s: float = TIMEOUT_S) -> str:
        """Run a command such as `up --wait`; returns what it printed.

        Raises:
            StackError: there is no Docker, or the command failed; shows the end of what it said.
        """
        done = self.attempt(*words, timeout_s=timeout_s)
        if done.returncode != 0:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            shown = "\n".join(f"  {line}" for line in said[-LINES_SHOWN:])
            raise StackError(f"docker compose {' '.join(words)} ended with status {done.returncode}:\n{shown}")
        return done.stdout

    def attempt(self, *words: str, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail.

        Raises:
            StackError: there is no Docker, or the command did not end in time.
        """
        if shutil.which("docker") is None:
            raise StackError(f"there is no `docker` here: {WITHOUT_DOCKER}")
        files = [word for file in self.files for word in ("--file", str(file))]
        command = ["docker", "compose", "--project-name", self.project, "--progress", "plain", *files, *words]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"docker compose {' '.join(words)} did not end within {timeout_s:g} s") from error
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ docker compose {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done

    @property
    def removal(self) -> list[str]:
        """The command that removes all that belongs to the project."""
        return [*("docker", "compose", "--project-name", self.project, "--profile", "*"), *DOWN]


DOWN = ("down", "--volumes", "--remove-orphans", "--timeout", "5")
