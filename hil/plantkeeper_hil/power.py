"""Switching a board's supply: uhubctl's command line, one socket of a USB hub at a time."""

from __future__ import annotations

import re
import shutil
import subprocess

from plantkeeper_hil.board.errors import UnsupportedError

TIMEOUT_S = 30.0
_SOCKET = re.compile(r"(?P<hub>[0-9][0-9.-]*):(?P<port>[0-9]+)")


def cycle(socket: str, *, off_s: float = 1.0, program: str = "uhubctl") -> None:
    """Switch a hub's socket off and on again.

    Args:
        socket: location and port as uhubctl names them, such as 1-1:2.
        off_s: how long it stays off.

    Raises:
        UnsupportedError: uhubctl is missing, or the hub cannot do it; has what it said.
    """
    match = _SOCKET.fullmatch(socket)
    if match is None:
        raise UnsupportedError(f"power: {socket!r} names no hub's socket; expected location:port, such as 1-1:2")
    if shutil.which(program) is None:
        raise UnsupportedError(f"power: no {program} on this machine; install it: sudo apt-get install uhubctl")
    words = [program, "-l", match["hub"], "-p", match["port"], "-a", "cycle", "-d", f"{off_s:g}"]
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(f"power: {' '.join(words)} did not end within {TIMEOUT_S:g} s") from error
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()[-500:]
        raise UnsupportedError(
            f"power: {' '.join(words)} failed: {said}; `uhubctl` lists the hubs that can switch, and who may do so"
        )
