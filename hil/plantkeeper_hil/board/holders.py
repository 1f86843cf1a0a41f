"""Which other processes have a device open, as the kernel tells."""

from __future__ import annotations

import os
from pathlib import Path


def processes_with(device: Path, proc: Path = Path("/proc")) -> list[tuple[int, str]]:
    """(pid, command line) of each other process that has the device open, as far as this user may see.

    Args:
        device: such as /dev/ttyACM0; links are followed.
        proc: where the kernel tells of processes.
    """
    wanted = os.path.realpath(device)
    found = []
    for folder in proc.glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            has_it = any(os.path.realpath(link) == wanted for link in (folder / "fd").iterdir())
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if has_it:
            found.append((int(folder.name), command))
    return sorted(found)
