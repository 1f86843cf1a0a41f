"""Plays a recorded connection to a gateway: the board's bytes again, and whether the same answers came.

The very bytes are sent, so a key, a signature and an age are the recorded ones. The gateway takes a reading that it has
already as a repeat; a signature only where it knows the board's key and has seen no later number of it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from itertools import zip_longest

from plantkeeper_hil.traffic.connection import Connection, Kind, Source
from plantkeeper_hil.traffic.http import messages
from plantkeeper_hil.traffic.nature import answer_lines
from plantkeeper_hil.traffic.pair import RESET_ON_CLOSE

PATIENCE_S = 10.0
CHUNK_BYTES = 65_536


def play(connection: Connection, to: tuple[str, int], *, patience_s: float = PATIENCE_S) -> bytes:
    """Send what the board sent, in the same portions, and read what it was answered.

    Args:
        to: address and port of the gateway.
        patience_s: how long an answer may take; wall clock.

    Returns:
        What the gateway sent until it closed, or as many messages as are recorded.
    """
    answer = bytearray()
    deadline_s = time.monotonic() + patience_s
    with contextlib.suppress(OSError), socket.create_connection(to, timeout=patience_s) as gateway:
        gateway.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answered = b""
        for passage in connection.passages:
            if passage.source is Source.GATEWAY:
                answered += passage.data
                continue
            _read(gateway, answer, until=_count_whole(answered), deadline_s=deadline_s)
            if passage.kind is Kind.DATA:
                gateway.sendall(passage.data)
            elif passage.kind is Kind.END:
                gateway.shutdown(socket.SHUT_WR)
            else:
                gateway.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                return bytes(answer)
        everything = _count_whole(answered) if connection.ended_by is Source.BOARD else None
        _read(gateway, answer, until=everything, deadline_s=deadline_s)
    return bytes(answer)


def difference(connection: Connection, answer: bytes) -> str | None:
    """The first difference between the recorded answer and the one that came now; None where there is none.

    Dates and request ids are put aside (`nature`). Where the board itself cut the connection before it had its answer
    whole, nothing is compared: how far it got is chance.
    """
    recorded = messages(connection.received)
    if connection.ended_by is Source.BOARD and not (recorded and recorded[-1].whole):
        return None
    for number, (then, now) in enumerate(zip_longest(recorded, messages(answer)), 1):
        then_lines, now_lines = ([] if message is None else answer_lines(message) for message in (then, now))
        for line_then, line_now in zip_longest(then_lines, now_lines):
            if line_then != line_now:
                which = "answer" if number == 1 else f"answer {number}"
                return f"{which}: {_told(line_now)}, on the cassette {_told(line_then)}"
    return None


def name_of(connection: Connection) -> str:
    """What is played, for a message: request line and key of the first request."""
    requests = messages(connection.sent)
    if not requests:
        return "a connection without a request"
    key = requests[0].header("Idempotency-Key")
    return requests[0].start if key is None else f"{requests[0].start}, key {key}"


def _count_whole(answered: bytes) -> int:
    return sum(message.whole for message in messages(answered))


def _read(gateway: socket.socket, answer: bytearray, *, until: int | None, deadline_s: float) -> None:
    """Read until so many messages are whole; None: until the gateway closes. Gives up at the deadline."""
    while until is None or _count_whole(bytes(answer)) < until:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return
        gateway.settimeout(left_s)
        data = gateway.recv(CHUNK_BYTES)
        if not data:
            return
        answer += data


def _told(line: str | None) -> str:
    return "nothing" if line is None else repr(line)
