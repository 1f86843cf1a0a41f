"""Locks on boards: one process a board, on this machine, whatever checkout or user it is of."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from plantkeeper_hil.locks import Lock

VARIABLE = "PLANTKEEPER_LOCKS"
HOLD = "hold: "


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the locks are: PLANTKEEPER_LOCKS, else a folder for all users of this machine."""
    chosen = environment.get(VARIABLE)
    if chosen:
        return Path(chosen)
    shared = Path(tempfile.gettempdir()) / "plantkeeper-locks"
    if not shared.is_dir():
        shared.mkdir(exist_ok=True)
        shared.chmod(0o1777)
    return shared


def lock_of(key: str, name: str, locks: Path) -> Lock:
    """The lock of a board.

    Args:
        key: what tells the board from all others: its serial number, or its port where it has none.
        name: the board's id, for messages.
    """
    return Lock(locks / (re.sub("[^0-9A-Za-z.-]", "_", key) + ".lock"), f"board {name}")
