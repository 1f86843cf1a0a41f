"""A board's connection and the one that was opened to the gateway for it: what one side sends goes to the other.

Both sockets are non-blocking; the relay's selector says when one can be read or written.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
from collections.abc import Callable

from plantkeeper_hil.traffic.connection import Connection, Instant, Kind, Passage, Source

WAITING_BYTES = 65_536  # from a side for which so much waits nothing more is read; twice that at most is held
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends a reset (socket(7))


class Side:
    """One end of a connection."""

    def __init__(self, pair: Pair, source: Source, end: socket.socket, *, connected: bool) -> None:
        self.pair, self.source, self.socket, self.connected = pair, source, end, connected
        self.waiting = bytearray()  # for it, from the other side
        self.ended = False  # it sends no more
        self.shut = False  # it was told that the other side sends no more
        self.watched = 0

    @property
    def other(self) -> Side:
        """The other end."""
        board, gateway = self.pair.sides
        return gateway if self is board else board

    @property
    def wanted(self) -> int:
        """What the selector is to look for."""
        readable = self.connected and not self.ended and len(self.other.waiting) < WAITING_BYTES
        writable = not self.connected or self.waiting or (self.other.ended and not self.shut)
        return (selectors.EVENT_READ if readable else 0) | (selectors.EVENT_WRITE if writable else 0)


class Pair:
    """A board's connection and the one to the gateway that was opened for it."""

    def __init__(
        self,
        board: socket.socket,
        gateway: socket.socket,
        address: str,
        opened: Instant,
        now: Callable[[], Instant],
    ) -> None:
        self._opened, self._now, self._address = opened, now, address
        self._passages: list[Passage] = []
        self.over = False
        self.sides = (
            Side(self, Source.BOARD, board, connected=True),
            Side(self, Source.GATEWAY, gateway, connected=False),
        )

    @property
    def connection(self) -> Connection:
        """What went by so far."""
        return Connection(self._opened, self._address, tuple(self._passages))

    def read(self, side: Side) -> None:
        """Take what a side sent."""
        try:
            data = side.socket.recv(WAITING_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._reset(side)
            return
        if data:
            self._record(side, Kind.DATA, data)
            side.other.waiting += data
        else:
            self._record(side, Kind.END)
            side.ended = True
        if side.other.connected:
            self.write(side.other)

    def write(self, side: Side) -> None:
        """Give a side what waits for it, and then the other side's end."""
        if not side.connected:
            if side.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._reset(side)
                return
            side.connected = True
        try:
            if side.waiting:
                del side.waiting[: side.socket.send(side.waiting)]
            if side.other.ended and not side.waiting and not side.shut:
                side.shut = True
                with contextlib.suppress(OSError):  # it is gone altogether, which no byte was lost by
                    side.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._reset(side)
            return
        self.over = all(end.ended and end.shut for end in self.sides)

    def _reset(self, side: Side) -> None:
        """A side broke the connection: so does the relay, towards the other."""
        self._record(side, Kind.RESET)
        with contextlib.suppress(OSError):  # whatever the kernel still takes
            if side.other.waiting:
                side.other.socket.send(side.other.waiting)
        with contextlib.suppress(OSError):
            side.other.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.over = True

    def _record(self, side: Side, kind: Kind, data: bytes = b"") -> None:
        self._passages.append(Passage(side.source, kind, self._now(), data))
