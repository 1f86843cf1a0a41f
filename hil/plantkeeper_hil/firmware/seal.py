"""The seal in an ELF: the first digits of its own SHA-256, written by firmware/scripts/seal.py. Pure."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from plantkeeper_hil.errors import FirmwareBuildError

_SEAL = re.compile(rb"pk-seal:([0-9a-f]{16})")
_BLANK = b"pk-seal:" + b"0" * 16


def seal_of(content: bytes, elf: Path) -> str:
    """The seal of an ELF, checked against what the ELF holds.

    Args:
        content: the ELF's bytes.
        elf: where they are from, for the error.

    Raises:
        FirmwareBuildError: no seal, or one of another ELF.
    """
    seals = _SEAL.findall(content)
    made = hashlib.sha256(_SEAL.sub(_BLANK, content)).hexdigest()[:16]
    if seals != [made.encode()]:
        raise FirmwareBuildError(
            f"{elf}: sealed as {[seal.decode() for seal in seals]}, its contents give {made}; remove it and build anew"
        )
    return made
