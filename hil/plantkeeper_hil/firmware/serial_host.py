"""A host at the other end of a board's serial line, in virtual time: takes every POST, or misbehaves on demand.

It speaks the frames of docs/console.md by itself, without host sockets, so that what is measured with it repeats cycle
for cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from plantkeeper_hil.board.frames import BEGIN, END, MAX_PAYLOAD, Frame, FrameSplitter, encode
from plantkeeper_hil.traffic.http import messages
from plantkeeper_sim.avr import Mcu

IDLE_POLL_S, BUSY_POLL_S = 0.010, 0.001  # how often it looks at the line
CUT_BYTES = 20


class HostFault(Enum):
    """What is wrong with one connection."""

    NONE = "none"
    SILENT = "silent"  # nothing is answered
    REFUSED = "refused"
    DEAF = "deaf"  # established, and then nothing is acknowledged
    GARBLED = "garbled"  # frames that are cut, too long, or whose CRC is wrong
    TRICKLE = "trickle"  # the answer comes byte by byte
    CUT = "cut"  # the connection ends in the middle of the answer


class SerialHost:
    """Answers the board's connections.

    Args:
        mcu: whose USART it is at.
        answer: what every POST is answered with.
    """

    def __init__(self, mcu: Mcu, answer: bytes) -> None:
        self._mcu, self._answer = mcu, answer
        self._splitter = FrameSplitter()
        self._connection = -1
        self._fault = HostFault.NONE
        self._request = b""
        self._pieces: list[bytes] = []
        self._sequence = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.fault_of: Callable[[int], HostFault] = lambda _index: HostFault.NONE
        mcu.call_in(IDLE_POLL_S, self._poll)

    def _poll(self) -> None:
        _, frames = self._splitter.feed(bytes(byte for _, byte in self._mcu.uart.take()))
        for frame in frames:
            if frame.kind == "O":
                self._open(frame)
            elif frame.connection == self._connection:
                self._take(frame)
        self._mcu.call_in(IDLE_POLL_S if self._connection < 0 else BUSY_POLL_S, self._poll)

    def _send(self, kind: str, sequence: int, payload: bytes = b"") -> None:
        self._mcu.uart.feed(encode(Frame(kind, self._connection, sequence, payload)))

    def _open(self, frame: Frame) -> None:
        self.connections += 1
        self._connection, self._request, self._sequence, self._pieces = frame.connection, b"", 0, []
        self._fault = self.fault_of(self.connections)
        if self._fault is HostFault.REFUSED:
            self._send("R", frame.sequence)
        elif self._fault is not HostFault.SILENT:
            self._send("E", frame.sequence)

    def _take(self, frame: Frame) -> None:
        if frame.kind == "C":
            self._connection = -1
        elif self._fault in {HostFault.SILENT, HostFault.DEAF}:
            pass
        elif self._fault is HostFault.GARBLED:
            whole = encode(Frame("A", self._connection, frame.sequence))
            endless = bytes([BEGIN]) + b"\x10" * (2 * MAX_PAYLOAD)
            self._mcu.uart.feed(whole[:-2] + bytes([whole[-2] ^ 0xFF, END]) + whole[:4] + endless + bytes([END]))
        elif frame.kind == "D":
            self._send("A", frame.sequence)
            self._request += frame.payload
            if messages(self._request)[0].whole:
                self.requests.append(self._request)
                self._request = b""
                size = 1 if self._fault is HostFault.TRICKLE else MAX_PAYLOAD
                answer = self._answer[:CUT_BYTES] if self._fault is HostFault.CUT else self._answer
                self._pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
                self._next_piece()
        elif frame.kind == "A":
            self._next_piece()

    def _next_piece(self) -> None:
        self._sequence += 1
        if self._pieces:
            self._send("D", self._sequence % 256, self._pieces.pop(0))
        else:
            self._send("C", self._sequence % 256)
