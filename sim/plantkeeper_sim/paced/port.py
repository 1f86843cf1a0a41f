"""A board's serial port as the computer sees it: a pseudo-terminal with a fixed name.

What a host does with DTR cannot be seen through a pseudo-terminal: Linux refuses it the ioctls of modem lines. But an
Uno is reset when its port is opened, since opening raises DTR, and that is seen: exactly, by inotify. As with a real
one, a port that is already open is opened again without a reset, and so is one whose last user cleared HUPCL
(`stty -hupcl`), for then DTR never fell. Baud rates are in the terminal's settings.
"""

from __future__ import annotations

import contextlib
import os
import termios
import tty
from enum import Enum
from pathlib import Path

from plantkeeper_sim.errors import PortError
from plantkeeper_sim.paced.inotify import OpenWatch

IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)
BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()}
READ_BYTES = 4096


class Change(Enum):
    """What a host did with the port."""

    DTR_ROSE = "opened"  # and with it DTR went up: an Uno is reset
    CLOSED = "closed"  # by its last user


class PtyPort:
    """The port, plugged in.

    Args:
        link: a symbolic link that names it, for as long as this object lives; it replaces a link, never a file.
        baud: what the port is set to until somebody sets it.

    Raises:
        PortError: the link's place is taken by something else, or cannot be written.
    """

    def __init__(self, link: Path, *, baud: int) -> None:
        self.link = link
        self._baud = getattr(termios, f"B{baud}")
        self._master = -1
        self._watch: OpenWatch | None = None
        self._users = 0
        self._dtr = False
        self.plug()

    # ---- the cable ----------------------------------------------------------------------------------------------

    @property
    def plugged(self) -> bool:
        """Whether there is a port."""
        return self._master >= 0

    def plug(self) -> None:
        """Make a port, and let the link name it."""
        if self.plugged:
            return
        self._master, slave = os.openpty()
        try:
            name = os.ttyname(slave)
            tty.setraw(slave)
            settings = termios.tcgetattr(slave)
            settings[ISPEED] = settings[OSPEED] = self._baud
            settings[CFLAG] |= termios.HUPCL
            termios.tcsetattr(slave, termios.TCSANOW, settings)
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        self._watch = OpenWatch(name)
        self._name(name)

    def unplug(self) -> None:
        """Take the port away: who has it open finds it hung up."""
        if not self.plugged:
            return
        self.link.unlink(missing_ok=True)
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        os.close(self._master)
        self._master = -1
        self._users, self._dtr = 0, False

    def _name(self, device: str) -> None:
        try:
            if self.link.exists() and not self.link.is_symlink():
                raise PortError(f"{self.link}: is a file, not a link to a port; name another place with --link")
            fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(device)
            fresh.replace(self.link)
        except OSError as error:
            raise PortError(f"{self.link}: cannot be made a link to {device} ({error.strerror})") from error

    # ---- the line -----------------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> list[int]:
        """What becomes readable when a host does something; the line's own only while somebody has it open."""
        if self._watch is None:
            return []
        return [self._watch.descriptor, self._master] if self._users else [self._watch.descriptor]

    @property
    def in_use(self) -> bool:
        """Whether somebody has it open."""
        return self._users > 0

    @property
    def baud(self) -> int | None:
        """What the port is set to; None where it has no name in termios(3)."""
        return BAUDS.get(termios.tcgetattr(self._master)[OSPEED]) if self.plugged else None

    def changes(self) -> list[Change]:
        """What was done with the port since the last call."""
        if self._watch is None:
            return []
        changes = []
        for opened in self._watch.events():
            self._users += 1 if opened else -1
            if opened and not self._dtr:
                self._dtr = True
                changes.append(Change.DTR_ROSE)
            elif not opened and self._users == 0:
                self._dtr = not termios.tcgetattr(self._master)[CFLAG] & termios.HUPCL
                changes.append(Change.CLOSED)
        return changes

    def read(self) -> bytes:
        """What hosts wrote; also what they wrote before they closed the port."""
        if not self.plugged:
            return b""
        try:
            return os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:  # EIO: nobody has it open
            return b""

    def write(self, data: bytes) -> None:
        """To the host. What it does not read in time is lost, and so is all that is sent while nobody listens."""
        if self.in_use and data:
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._master, data)
