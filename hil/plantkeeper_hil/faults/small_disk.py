"""A disk of a few megabytes (a tmpfs) that can be filled up, for a database to live on.

Mounted where one may mount; else a folder of `/dev/shm` where that is small, as in containers (64 MB).
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plantkeeper_hil.errors import FaultRunError

BALLAST = "ballast"
CHUNK = b"\0" * 4096
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - not for secrets
SHARED_MEMORY_LIMIT_BYTES = 256 * 2**20  # filling up more would take memory that others need
ROOM_BYTES = 32 * 2**20


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
    """Have one, and be rid of it at the end.

    Args:
        megabytes: its size where it is mounted.

    Raises:
        FaultRunError: it cannot be had here; says why.
    """
    with tempfile.TemporaryDirectory(prefix="plantkeeper-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "plantkeeper", folder]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode == 0:
            try:
                yield SmallDisk(Path(folder))
            finally:
                subprocess.run(["umount", "--lazy", folder], check=True)
            return
    with _small_shared_memory(mounted.stderr.strip()) as disk:
        yield disk


@contextlib.contextmanager
def _small_shared_memory(why: str) -> Iterator[SmallDisk]:
    if not SHARED_MEMORY.is_dir():
        raise FaultRunError(f"may not mount a tmpfs ({why}), and there is no {SHARED_MEMORY}")
    usage = shutil.disk_usage(SHARED_MEMORY)
    if usage.total > SHARED_MEMORY_LIMIT_BYTES or usage.free < ROOM_BYTES:
        raise FaultRunError(
            f"may not mount a tmpfs ({why}), and {SHARED_MEMORY} with {usage.total} bytes, {usage.free} free, "
            "is too large or too full to be filled up; run as root, outside a container"
        )
    with tempfile.TemporaryDirectory(prefix="plantkeeper-disk-", dir=SHARED_MEMORY) as folder:
        Path(folder).chmod(0o755)
        yield SmallDisk(Path(folder))
