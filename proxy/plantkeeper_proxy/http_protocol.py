"""HTTP/1.1 for boards on asyncio: connections, their times, and answers; `http_reader.py` makes requests of bytes.

Why not a ready server: boards compare header names case-sensitively and need `Content-Length` in exactly that case, and
the quick servers (uvicorn, granian) write names in lower case; besides, they wait for ever for a slow sender
(docs/decisions/0006-ingest.md). A connection's requests are answered one after the other; the next is looked at when
its turn comes, and a sender that is too far ahead has to wait. `limits.py` has the limits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Protocol, cast

from plantkeeper_proxy.http_reader import Request, RequestReader
from plantkeeper_proxy.ingest import Answer, refusal
from plantkeeper_proxy.limits import HttpLimits
from plantkeeper_proxy.overdue import Overdue

__all__ = ["Connections", "Handler", "HttpProtocol", "Request", "Respond", "Response", "encode", "response_of"]

DEFAULT_LIMITS = HttpLimits()
SWEEP_S = 0.25
IN_A_ROW = 16  # requests of one connection that are answered at once; then others have their turn
BUSY_RETRY_S = 5
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
log = logging.getLogger(__name__)
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Phase(Enum):
    """What is waited for, with a limit of time. Nothing limits the answering of a request: its handler does that."""

    __hash__ = object.__hash__  # Enum's own is made for pickled copies, and slow

    RECEIVING = "a request is not whole yet"
    IDLE = "no request has begun"
    FLUSHING = "the sender does not take its answer"
    LINGERING = "the connection is refused and about to be closed"


GIVES_WAY = (Phase.IDLE, Phase.RECEIVING, Phase.FLUSHING)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it is written; `Content-Length`, `Date` and `Connection` are added.

    Args:
        length: what an answer to HEAD says of the body that it does not have; None: the body's own length.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    length: int | None = None


Respond = Callable[[Response], None]


class Handler(Protocol):
    """Answers requests."""

    def __call__(self, request: Request, respond: Respond, /) -> None:
        """Call `respond` once, now or later, in the event loop."""


def response_of(answer: Answer) -> Response:
    """An answer of the rules as a response."""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    if answer.retry_after_s is not None:
        headers += (("Retry-After", str(answer.retry_after_s)),)
    return Response(answer.status, headers, answer.body)


def encode(response: Response, *, keep_alive: bool, head_only: bool, date: str) -> bytes:
    """The bytes of a response."""
    lines = [STATUS_LINES.get(response.status, b"HTTP/1.1 %d Unknown\r\n" % response.status)]
    lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in response.headers]
    length = len(response.body) if response.length is None else response.length
    lines.append(b"Content-Length: %d\r\n" % length)
    lines.append(f"Date: {date}\r\n".encode())
    lines.append(b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n")
    if not head_only:
        lines.append(response.body)
    return b"".join(lines)


class Connections:
    """All connections of a server. To be used within one event loop.

    Args:
        handler: answers requests.
        limits: what a connection may cost.
        told: hears of each answer that is given without a handler, and to which address.
        epoch_s: the clock of the Date header.

    Attributes:
        open: those that are open, refused ones that linger among them.
        refused: connections that were answered 503 or closed for others' sake.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: HttpLimits = DEFAULT_LIMITS,
        epoch_s: Callable[[], float] = time.time,
        told: Callable[[Answer, str], None] = lambda _answer, _address: None,
    ) -> None:
        self.handler, self.limits, self.epoch_s, self.told = handler, limits, epoch_s, told
        self.open: set[HttpProtocol] = set()
        self.stopping = False
        self.refused = 0
        self.phases: Overdue[HttpProtocol, Phase] = Overdue(
            {
                Phase.RECEIVING: limits.request_s,
                Phase.IDLE: limits.idle_s,
                Phase.FLUSHING: limits.flush_s,
                Phase.LINGERING: limits.linger_s,
            }
        )
        self._sweep_s = min(SWEEP_S, limits.request_s / 4, limits.idle_s / 4, limits.flush_s / 4, limits.linger_s / 4)
        self._sweeper: asyncio.TimerHandle | None = None
        self._date = (0, "")
        self._encoded: tuple[Response | None, bool, str, bytes] = (None, False, "", b"")

    def __call__(self) -> HttpProtocol:
        """A protocol for a new connection."""
        return HttpProtocol(self)

    def date(self) -> str:
        """The Date header's value, made once a second."""
        second = int(self.epoch_s())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def encode(self, response: Response, *, keep_alive: bool) -> bytes:
        """The bytes of a response now; of one that many get in a row, made once a second."""
        date = self.date()
        same, kept_alive, at, encoded = self._encoded
        if response is not same or keep_alive is not kept_alive or date is not at:
            encoded = encode(response, keep_alive=keep_alive, head_only=False, date=date)
            self._encoded = response, keep_alive, date, encoded
        return encoded

    def add(self, connection: HttpProtocol) -> bool:
        """Take a new connection; False where there is no room for it.

        The oldest one that lets us wait makes room: slow senders push each other out, and a board that comes meanwhile
        and sends its request is served.
        """
        self.open.add(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)
        if len(self.open) - self.phases.count(Phase.LINGERING) <= self.limits.connections:
            return True
        self.refused += 1
        waited = [oldest for phase in GIVES_WAY if (oldest := self.phases.oldest(phase))]
        if waited:
            victim, since_s = min(waited, key=lambda oldest: oldest[1])
            if since_s <= connection.now_s() - self.limits.yield_s:
                victim.give_way()
                return True
        return False

    def may_linger(self) -> bool:
        """Whether a refused connection may be kept open for its sender to hear why."""
        return self.phases.count(Phase.LINGERING) < self.limits.lingering

    def remove(self, connection: HttpProtocol) -> None:
        """It is over."""
        self.open.discard(connection)
        self.phases.leave(connection)

    async def drain(self, timeout_s: float) -> None:
        """Let begun requests end; idle connections are closed at once."""
        self.stopping = True
        loop = asyncio.get_running_loop()
        for connection in list(self.open):
            connection.close_if_idle()
        deadline_s = loop.time() + timeout_s
        while self.open and loop.time() < deadline_s:
            await asyncio.sleep(0.02)
        for connection in list(self.open):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for connection, phase in self.phases.take(loop.time()):
            connection.overdue(phase)
        self._sweeper = loop.call_later(self._sweep_s, self._sweep) if self.open else None


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_address",
        "_all",
        "_answering",
        "_at_work",
        "_blocked",
        "_ended",
        "_eof",
        "_lingered_bytes",
        "_loop",
        "_paused",
        "_reader",
        "_transport",
    )

    def __init__(self, connections: Connections) -> None:
        self._all, self._address = connections, "?"
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answering = False  # a handler is at work
        self._at_work = False  # _go_on is
        self._blocked = False  # the sender does not take its answers
        self._paused = False  # nothing is read from the socket
        self._eof = False  # the sender has said that it sends no more
        self._ended = False  # an answer was given that ends the connection: what comes is thrown away
        self._lingered_bytes = 0

    def now_s(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    # ---- asyncio -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A board connected; this comes before everything else."""
        self._transport = cast(asyncio.Transport, transport)  # TCP; uvloop's is no subclass
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._reader = RequestReader(self._all.limits, self._address)
        if self._all.add(self):
            self._enter(Phase.RECEIVING)
        else:
            self._end_with(refusal(503, "too many connections; come again", "connections", BUSY_RETRY_S))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is over."""
        self._transport = None
        self._ended = True
        self._all.remove(self)
        self._reader.close()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._ended:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > self._all.limits.linger_bytes:
                self.abort()
            return
        self._reader.feed(data)
        self._go_on()

    def eof_received(self) -> bool:
        """The sender will send no more; requests that came whole are still answered."""
        self._eof = True
        return not self._ended and (self._answering or self._reader.unread > 0)

    def pause_writing(self) -> None:
        """The sender does not take its answers: it gets no more until it does."""
        self._blocked = True
        self._enter(Phase.FLUSHING)

    def resume_writing(self) -> None:
        """It does."""
        self._blocked = False
        if self._answering:
            self._all.phases.leave(self)
        elif not self._ended:
            self._loop.call_soon(self._go_on)

    # ---- requests and answers ----------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what has come whole, one request after the other."""
        if self._at_work:
            return
        self._at_work = True
        for _ in range(IN_A_ROW):
            if self._answering or self._blocked or self._ended:
                break
            item = self._reader.take()
            if item is None:
                self._wait_for_more()
                break
            if isinstance(item, Answer):
                self._end_with(item)
                break
            self._answer(item)
        else:
            self._loop.call_soon(self._go_on)
        self._at_work = False
        self._pause_or_resume()

    def _answer(self, request: Request) -> None:
        self._answering = True
        self._all.phases.leave(self)
        respond = partial(self._write, request)
        try:
            self._all.handler(request, respond)
        except Exception:  # whatever it is, the sender gets an answer
            log.exception("%s %s", request.method, request.target)
            respond(response_of(refusal(500, "internal error", "internal")))

    def _write(self, request: Request, response: Response) -> None:
        if not self._answering:
            return
        self._answering = False
        transport = self._transport
        if transport is None or self._ended:
            return
        keep_alive = request.keep_alive and not self._all.stopping
        if request.method == "HEAD":
            answer = encode(response, keep_alive=keep_alive, head_only=True, date=self._all.date())
        else:
            answer = self._all.encode(response, keep_alive=keep_alive)
        if keep_alive:
            self._enter(Phase.IDLE)
            transport.write(answer)
            self._go_on()
        else:
            transport.write(answer)
            self._close()

    def _wait_for_more(self) -> None:
        """The next request is not whole, or has not begun."""
        phases, transport = self._all.phases, self._transport
        if transport is None:
            return
        if self._eof:
            self._close()
        elif not self._reader.begun:
            if phases.phase(self) not in {Phase.RECEIVING, Phase.IDLE}:
                self._enter(Phase.IDLE)
        elif phases.phase(self) is not Phase.RECEIVING:
            self._enter(Phase.RECEIVING)
        if self._reader.wants_continue:
            self._reader.wants_continue = False
            transport.write(CONTINUE)

    def _pause_or_resume(self) -> None:
        """Take no more from a sender than may wait; it has to wait itself."""
        if self._transport is None or self._ended or self._eof:
            return
        full = self._reader.unread > self._all.limits.read_ahead_bytes
        if full and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not full:
            self._transport.resume_reading()
        self._paused = full

    # ---- the end -----------------------------------------------------------------------------------------------

    def _end_with(self, answer: Answer) -> None:
        """Answer, and take in nothing more; the connection is closed once the sender could hear it."""
        self._ended = True
        self._all.told(answer, self._address)
        if self._transport is None:
            return
        date = self._all.date()
        self._transport.write(encode(response_of(answer), keep_alive=False, head_only=False, date=date))
        if self._eof or not self._all.may_linger() or not self._transport.can_write_eof():
            self._close()
            return
        self._transport.write_eof()
        self._enter(Phase.LINGERING)
        if self._paused:
            self._transport.resume_reading()

    def give_way(self) -> None:
        """Make room for another connection."""
        if self._all.phases.phase(self) is Phase.FLUSHING:
            self.abort()
        elif self._reader.begun:
            self._end_with(refusal(503, "too many connections; come again", "connections", BUSY_RETRY_S))
        else:
            self._close()

    def overdue(self, phase: Phase) -> None:
        """It has been in a phase for too long."""
        match phase:
            case Phase.RECEIVING if self._reader.begun:
                said = f"the request was not whole within {self._all.limits.request_s:g} s"
                self._end_with(refusal(408, said, "slow"))
            case Phase.RECEIVING | Phase.IDLE:
                self._close()
            case Phase.FLUSHING | Phase.LINGERING:
                self.abort()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is being received or answered."""
        if not (self._answering or self._reader.begun or self._reader.unread or self._ended):
            self._close()

    def abort(self) -> None:
        """Close the connection now."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        """Close the connection once its sender has taken what was written, which it must not put off for ever."""
        self._ended = True
        if self._transport is not None:
            self._enter(Phase.FLUSHING)
            self._transport.close()

    def _enter(self, phase: Phase) -> None:
        self._all.phases.enter(self, phase, self._loop.time())
