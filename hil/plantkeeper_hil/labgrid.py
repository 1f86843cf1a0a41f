"""Boards of a labgrid farm, through labgrid's own command line: acquire a place, learn its serial port, release it.

Not through its Python packages: they bring a fork of pyserial under pyserial's name.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plantkeeper_hil.board.errors import BoardBusyError, UnsupportedError

PROGRAM = "labgrid-client"
TIMEOUT_S = 60.0
_RESOURCE = re.compile(r"^Acquired resource .*:\n(?P<fields>(?:  .*\n?)+)", re.MULTILINE)
SCHEMES = {"rfc2217": "rfc2217", "raw": "socket"}


@dataclass(frozen=True)
class Place:
    """A place that is ours.

    Args:
        name: labgrid's.
        port: its serial port as pyserial's URL.
        ours: acquired by this process, which therefore releases it.
    """

    name: str
    port: str
    ours: bool
    program: str = PROGRAM

    def release(self) -> None:
        """Give it back, unless somebody had acquired it by hand."""
        if self.ours:
            _run(self.program, self.name, "release")


def acquire(name: str, program: str = PROGRAM) -> Place:
    """Take a place; one that this user has acquired already is used and kept.

    Raises:
        UnsupportedError: no labgrid-client, no coordinator, no such place, or no serial port at it.
        BoardBusyError: somebody else has it; has labgrid's words.
    """
    if shutil.which(program) is None:
        raise UnsupportedError(
            f"labgrid place {name}: no {program} on this machine; pipx install labgrid, and set LG_COORDINATOR "
            "(docs/hil.md, Boards on other machines)"
        )
    status, said = _run(program, name, "acquire")
    ours = status == 0
    if not ours and "is already acquired by" in said:
        raise BoardBusyError(f"labgrid place {name}: {said}")
    if not ours and "You have already acquired" not in said:
        raise UnsupportedError(f"labgrid place {name}: {said}; `{program} places` lists what there is")
    _, shown = _run(program, name, "show")
    try:
        return Place(name, port_in(shown, name), ours, program)
    except UnsupportedError:
        if ours:
            _run(program, name, "release")
        raise


def port_in(shown: str, name: str) -> str:
    """The serial port in what `labgrid-client show` prints of an acquired place, as pyserial's URL.

    Raises:
        UnsupportedError: there is none that can be reached from here.
    """
    for match in _RESOURCE.finditer(shown):
        resource: Any = ast.literal_eval(match["fields"].strip())
        if resource.get("cls") != "NetworkSerialPort":
            continue
        parameters = resource["params"]
        if parameters.get("extra", {}).get("proxy_required"):
            raise UnsupportedError(
                f"labgrid place {name}: its port is reached through a proxy only; {PROGRAM} -p {name} forward gives "
                "it a local port, to be named as --hil-board=socket://localhost:PORT"
            )
        scheme = SCHEMES.get(parameters.get("protocol", "rfc2217"))
        if scheme is not None and resource.get("avail"):
            return f"{scheme}://{parameters['host']}:{parameters['port']}"
    raise UnsupportedError(
        f"labgrid place {name}: no serial port is there; export a NetworkSerialPort or USBSerialPort for it"
    )


def _run(program: str, name: str, *words: str) -> tuple[int, str]:
    command: Sequence[str] = [program, "-p", name, *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(
            f"labgrid place {name}: {' '.join(command)} did not end within {TIMEOUT_S:g} s; does the coordinator run?"
        ) from error
    return result.returncode, (result.stdout + result.stderr).strip()
