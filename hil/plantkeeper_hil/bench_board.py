"""The board that a session uses: found, locked, flashed and checked once, opened anew for each test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from plantkeeper_hil import flash, labgrid, power
from plantkeeper_hil.board.base import Capability
from plantkeeper_hil.board.choice import AtPort, Auto, Choice, LabgridPlace, Listed
from plantkeeper_hil.board.errors import UnsupportedError
from plantkeeper_hil.board.serial import BAUD, SerialBoard
from plantkeeper_hil.board.tunnel import Route
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.firmware.build import UNO
from plantkeeper_hil.inventory import entries, holding, usb
from plantkeeper_hil.inventory.cli import HOW_TO_ATTACH, NO_BOARD, lock_key
from plantkeeper_hil.inventory.entries import Entry
from plantkeeper_hil.inventory.errors import UnknownBoardError
from plantkeeper_hil.inventory.reappear import wait_for
from plantkeeper_hil.inventory.usb import Scan
from plantkeeper_hil.locks import Lock
from plantkeeper_hil.project import Project

REAPPEAR_S = 10.0
LABGRID = "labgrid:"


def candidates(
    choice: Choice, listed: Sequence[Entry], scan: Scan = usb.scan, *, platform: str | None = None
) -> list[Entry]:
    """The boards that a choice may mean, those plugged in first to last.

    Args:
        platform: environment of firmware/platformio.ini, instead of what the list says.

    Raises:
        UnknownBoardError: there is none; says how to attach one, and which are listed and offline.
        UnsupportedError: nobody can reach it from here.
    """
    found = _candidates(choice, listed, scan)
    return found if platform is None else [replace(entry, platform=platform) for entry in found]


def _candidates(choice: Choice, listed: Sequence[Entry], scan: Scan) -> list[Entry]:
    if isinstance(choice, AtPort):
        return [Entry(choice.port, UNO, "board at a port", port=choice.port, baud=choice.baud or BAUD)]
    merged = entries.merge(listed, scan())
    if isinstance(choice, Listed):
        entry = entries.by_id(merged, choice.board_id)
        if entry.port is None:
            entries.port_of(entry, scan())
        return [entry]
    if isinstance(choice, Auto):
        found = [entry for entry in merged if entry.connected or entry.port]
        if not found:
            offline = ", ".join(entry.id for entry in merged)
            raise UnknownBoardError(NO_BOARD + (f". Offline: {offline}" if offline else ""))
        return found
    if isinstance(choice, LabgridPlace):
        return [Entry(choice.place, UNO, "labgrid place", port=f"{LABGRID}{choice.place}")]
    raise UnsupportedError(f"{choice} is no board at a port")


def require_port(entry: Entry) -> None:
    """Make sure that a board's port is there, where it is a device of this machine.

    Raises:
        UnknownBoardError: it is not; says how to attach a board.
    """
    if entry.port is not None and entry.port.startswith("/") and not Path(entry.port).exists():
        name = "a board" if entry.id == entry.port else f"board {entry.id}"
        raise UnknownBoardError(f"{name} was to be at {entry.port}, and there is no such port. {HOW_TO_ATTACH}")


def capabilities_of(entry: Entry) -> frozenset[Capability]:
    """What a listed board can do beyond its console."""
    return frozenset({Capability.POWER_CYCLE} if entry.power else ())


@dataclass
class BenchBoard:
    """A board of a session; a context manager that holds its lock.

    Args:
        entry: which.
        lock: of it, held already.
        route: where its connections lead to, if it has no network of its own (`Tunnel`).
        place: of labgrid, where it is one.
    """

    entry: Entry
    lock: Lock
    route: Route | None = None
    place: labgrid.Place | None = None

    @classmethod
    def take(cls, found: Sequence[Entry], *, worker: int, reason: str, locks: Path | None = None) -> Self:
        """Lock a board: of several, the n-th worker takes the n-th.

        Raises:
            LockedError: somebody has it.
            UnknownBoardError: fewer boards than workers, or its port is not there.
        """
        if worker >= len(found):
            raise UnknownBoardError(
                f"worker {worker + 1} of the tests has no board: {len(found)} can be used; "
                f"run pytest with -n {len(found)}"
            )
        entry = found[worker]
        require_port(entry)
        lock = holding.lock_of(lock_key(entry), entry.id, locks or holding.folder())
        lock.acquire(reason)
        if entry.port is None or not entry.port.startswith(LABGRID):
            return cls(entry, lock)
        try:
            place = labgrid.acquire(entry.port.removeprefix(LABGRID))
        except BaseException:
            lock.release()
            raise
        return cls(replace(entry, port=place.port), lock, place=place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if self.place is not None:
                self.place.release()
        finally:
            self.lock.release()

    @property
    def port(self) -> str:
        """Where the board is now."""
        if self.entry.port is not None:
            return self.entry.port
        return wait_for(self.entry, timeout_s=REAPPEAR_S).device

    @property
    def can_flash(self) -> bool:
        """Whether its uploader reaches it: not through a network."""
        return self.entry.port is None or "://" not in self.entry.port

    def open(self) -> SerialBoard:
        """Open its port, which resets most boards.

        Raises:
            BoardError: it does not speak as it should.
        """
        socket = self.entry.power
        return SerialBoard(
            self.entry.id,
            self.port,
            baud=self.entry.baud,
            power_cycle=None if socket is None else lambda: power.cycle(socket),
            find_port=lambda: self.port,
            route=self.route,
        )

    def flash(self, project: Project, firmware: BuildResult, say: Callable[[str], None]) -> None:
        """Upload the firmware.

        Raises:
            UnsupportedError: it is behind a network port.
            FirmwareBuildError: the upload failed.
        """
        if not self.can_flash:
            raise UnsupportedError(
                f"board {self.entry.id} at {self.entry.port}: its uploader does not reach through a network; flash it "
                "where it is plugged in, then run with --skip-autoflash"
            )
        flash.flash(project, firmware, self.port, say=say)

    def check(self, firmware: BuildResult) -> None:
        """Make sure that it runs what was built.

        Raises:
            BoardError: it does not speak, or runs something else.
        """
        with self.open() as board:
            flash.check_identity(board, firmware)
