"""A disk of a few megabytes (a tmpfs) that can be filled up, for a database to live on. Needs the right to mount."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plantkeeper_hil.errors import FaultRunError

BALLAST = "ballast"
CHUNK = b"\0" * 4096


class SmallDisk:
    """The disk.

    Args:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / BALLAST

    def fill(self) -> int:
        """Take all space that is left; returns how many bytes that was."""
        written = 0
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                written += file.write(CHUNK)
        return written

    def make_room(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(*, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one, and unmount it at the end.

    Raises:
        FaultRunError: we may not mount here; says what to do.
    """
    with tempfile.TemporaryDirectory(prefix="plantkeeper-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "plantkeeper", folder]
        try:
            mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise FaultRunError(f"no program mount: {error}") from error
        if mounted.returncode != 0:
            raise FaultRunError(f"may not mount a tmpfs ({mounted.stderr.strip()}); run as root, outside a container")
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def may_mount() -> bool:
    """Whether a tmpfs can be mounted here."""
    try:
        with small_disk(megabytes=1):
            return True
    except FaultRunError:
        return False
