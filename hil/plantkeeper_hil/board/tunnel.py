"""The host's end of a board's TCP connections, for a board whose only wire is the serial line.

The board says where it wants to connect to; the host opens that connection in its stead and passes bytes on, a frame at
a time, each acknowledged before the next. A frame that is lost or garbled is not acknowledged, and the connection
is given up: the board's HTTP client then does what it does about any broken connection.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from plantkeeper_hil.board.frames import MAX_PAYLOAD, Frame

ACK_S = 1.0
CONNECT_S = 1.5  # the board waits for 2 s
Route = Callable[[str, int], tuple[str, int] | None]


@dataclass
class Exchange:
    """One connection: what went either way, and when the board had sent its last byte (host's monotonic clock)."""

    address: tuple[str, int]
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    sent_monotonic_s: float = 0.0


class Tunnel:
    """Passes connections on; frames come in by `take` and go out by `send`.

    Args:
        route: where an address and a port of the board's network are, or None where nobody is.
        send: puts a frame on the wire.
    """

    def __init__(self, route: Route, send: Callable[[Frame], None]) -> None:
        self._route, self._send = route, send
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._acks: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._socket: socket.socket | None = None
        self._connection = -1
        self.exchanges: list[Exchange] = []
        self._thread = threading.Thread(target=self._work, name="tunnel", daemon=True)
        self._thread.start()

    def take(self, frame: Frame) -> None:
        """A frame from the board; never waits."""
        if frame.kind == "A":
            self._acks.put(frame)
        else:
            self._frames.put(frame)

    def close(self) -> None:
        """End the connection and the thread."""
        self._frames.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (frame := self._frames.get()) is not None:
            with contextlib.suppress(OSError):
                if frame.kind == "O" and len(frame.payload) == 6:
                    self._open(frame)
                elif frame.connection == self._connection and frame.kind == "D":
                    self._pass_on(frame)
                elif frame.connection == self._connection and frame.kind == "C":
                    self._hang_up()
        self._hang_up()

    def _open(self, frame: Frame) -> None:
        self._hang_up()
        address = (str(IPv4Address(frame.payload[:4])), int.from_bytes(frame.payload[4:], "big"))
        target = self._route(*address)
        self._connection = frame.connection
        try:
            if target is None:
                raise ConnectionRefusedError
            opened = socket.create_connection(target, timeout=CONNECT_S)
        except OSError:
            self._send(Frame("R", frame.connection, frame.sequence))
            return
        opened.settimeout(None)
        self._socket = opened
        exchange = Exchange(address)
        self.exchanges.append(exchange)
        self._send(Frame("E", frame.connection, frame.sequence))
        words = (opened, frame.connection, exchange)
        threading.Thread(target=self._answer, args=words, name="tunnel-answer", daemon=True).start()

    def _pass_on(self, frame: Frame) -> None:
        if self._socket is None:
            return
        # first of all, else the peer's answer may come to the board before it, which then waits for nothing else
        self._send(Frame("A", frame.connection, frame.sequence))
        exchange = self.exchanges[-1]
        exchange.sent += frame.payload
        exchange.sent_monotonic_s = time.monotonic()
        self._socket.sendall(frame.payload)

    def _answer(self, opened: socket.socket, connection: int, exchange: Exchange) -> None:
        """What the peer sends, a frame at a time; its close; ends with the connection."""
        sequence = 0
        with contextlib.suppress(OSError):
            while data := opened.recv(MAX_PAYLOAD):
                exchange.received += data
                sequence = (sequence + 1) % 256
                self._send(Frame("D", connection, sequence, data))
                if not self._acknowledged(connection, sequence):
                    break
            self._send(Frame("C", connection, (sequence + 1) % 256))

    def _acknowledged(self, connection: int, sequence: int) -> bool:
        deadline_s = time.monotonic() + ACK_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                ack = self._acks.get(timeout=left_s)
            except queue.Empty:
                return False
            if (ack.connection, ack.sequence) == (connection, sequence):
                return True
        return False

    def _hang_up(self) -> None:
        if self._socket is not None:
            opened, self._socket = self._socket, None
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
