"""Where the project's files are, seen from wherever a command is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plantkeeper_hil.errors import HilError


class ProjectNotFoundError(HilError):
    """The command was called outside a checkout of the project."""


@dataclass(frozen=True)
class Project:
    """A checkout of the project."""

    root: Path

    @property
    def firmware_dir(self) -> Path:
        """The PlatformIO project."""
        return self.root / "firmware"

    @property
    def build_dir(self) -> Path:
        """What commands make: reports, logs, compiled firmware."""
        return self.root / "build"

    @property
    def system_tests_dir(self) -> Path:
        """The tests that drive a board through the whole loop."""
        return self.root / "tests" / "system"


def find_project(start: Path) -> Project:
    """The checkout that holds `start`.

    Raises:
        ProjectNotFoundError: no folder from `start` upwards holds firmware/platformio.ini and noxfile.py.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "noxfile.py").is_file() and (folder / "firmware" / "platformio.ini").is_file():
            return Project(folder)
    raise ProjectNotFoundError(
        f"{start} is not inside a checkout of the project (no folder above it has noxfile.py and "
        "firmware/platformio.ini); call the command from the checkout"
    )
