"""The list of boards, and how what is plugged in is merged into it. Pure.

A board is known by its USB serial number, never by its port's path, which changes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from plantkeeper_hil.inventory.errors import AmbiguousBoardError, UnknownBoardError
from plantkeeper_hil.inventory.usb import UsbPort

BAUD = 115200
ID_DIGITS = 6


@dataclass(frozen=True)
class Entry:
    """A board, as boards.yaml has it (the fields of twister's hardware map, and two of ours).

    Args:
        id: its name for `--hil-board`; yours to change.
        platform: environment in firmware/platformio.ini.
        product: what it is called.
        serial: USB serial number; None for a board that is reached by `port` alone.
        baud: of its console.
        fixtures: what is wired to it.
        connected: whether it was plugged in at the last scan.
        notes: yours.
        port: where it is reached, for a board that is not on this machine's USB (rfc2217://…, socket://…).
        power: socket of a hub that can switch it, as uhubctl names it: location and port, such as 1-1:2.
    """

    id: str
    platform: str
    product: str
    serial: str | None = None
    baud: int = BAUD
    fixtures: tuple[str, ...] = field(default=())
    connected: bool = False
    notes: str = ""
    port: str | None = None
    power: str | None = None


def merge(entries: Sequence[Entry], ports: Iterable[UsbPort]) -> list[Entry]:
    """The list after a scan: known boards keep everything but `connected`, new ones are added at its end.

    A device without a serial number, and devices of one serial number, are left out: `unidentified` names them.
    """
    ports = list(ports)
    by_serial = {port.serial: port for port in ports if port.serial is not None and _is_single(port, ports)}
    merged = [
        replace(entry, connected=entry.serial in by_serial) if entry.serial is not None else entry for entry in entries
    ]
    known = {entry.serial for entry in merged}
    for serial, port in by_serial.items():
        if serial in known or port.known is None:
            continue
        merged.append(
            Entry(
                id=new_id(port.known.platform, serial, {entry.id for entry in merged}),
                platform=port.known.platform,
                product=port.known.name,
                serial=serial,
                connected=True,
            )
        )
    return merged


def unidentified(ports: Iterable[UsbPort]) -> list[tuple[UsbPort, str]]:
    """Devices that no board can be made of, each with the reason."""
    ports = list(ports)
    found = []
    for port in ports:
        if port.serial is None:
            found.append((port, "has no serial number, so it cannot be told from its like"))
        elif not _is_single(port, ports):
            found.append((port, f"has the same serial number as another device, {port.serial}"))
        elif port.known is None:
            found.append((port, f"USB {port.vid:04x}:{port.pid:04x} is no board that this project knows"))
    return found


def new_id(platform: str, serial: str, taken: Collection[str]) -> str:
    """A free id: platform and the end of the serial number, more of it where that is taken."""
    tail = re.sub("[^0-9a-z]", "", serial.lower())
    for digits in range(min(ID_DIGITS, len(tail)), len(tail) + 1):
        name = f"{platform}-{tail[len(tail) - digits :]}"
        if name not in taken:
            return name
    number = 2
    while f"{platform}-{tail}-{number}" in taken:
        number += 1
    return f"{platform}-{tail}-{number}"


def by_id(entries: Sequence[Entry], board_id: str) -> Entry:
    """The board of an id.

    Raises:
        UnknownBoardError: there is none; names those that are like it.
    """
    for entry in entries:
        if entry.id == board_id:
            return entry
    ids = [entry.id for entry in entries]
    near = get_close_matches(board_id, ids, n=3) or ids[:5]
    known = f"near it: {', '.join(near)}" if near else "boards.yaml lists none"
    raise UnknownBoardError(f"no board {board_id!r}; {known}. `hil boards scan` lists what is plugged in")


def port_of(entry: Entry, ports: Iterable[UsbPort]) -> UsbPort:
    """Where a board is plugged in now, by its serial number.

    Raises:
        UnknownBoardError: it is not plugged in.
        AmbiguousBoardError: two devices have its serial number.
    """
    matching = [port for port in ports if port.serial is not None and port.serial == entry.serial]
    if not matching:
        raise UnknownBoardError(
            f"board {entry.id} (serial number {entry.serial}) is not plugged in; plug it in, then `hil boards scan`"
        )
    if len(matching) > 1:
        places = ", ".join(f"{port.device} at {port.location}" for port in matching)
        raise AmbiguousBoardError(
            f"board {entry.id}: {len(matching)} devices have serial number {entry.serial} ({places}); "
            "unplug all but one"
        )
    return matching[0]


def _is_single(port: UsbPort, ports: Sequence[UsbPort]) -> bool:
    return sum(other.serial == port.serial for other in ports) == 1
