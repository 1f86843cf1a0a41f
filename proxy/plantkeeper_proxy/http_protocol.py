"""HTTP/1.1 for boards on asyncio: llhttp (httptools) parses, this module sets limits and writes answers.

Why not a ready server: boards compare header names case-sensitively and need `Content-Length` in exactly that case, and
the quick servers (uvicorn, granian) write names in lower case; besides, they wait for ever for a slow sender
(docs/decisions/0006-ingest.md). Limits: 8 KiB of head (431), 4 KiB of body (413), 10 s from a request's first byte to
its last (408), 5 s idle, 16 requests ahead of their answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from plantkeeper_proxy.ingest import Answer, refusal
from plantkeeper_proxy.message import BODY_LIMIT

HEAD_LIMIT = 8192
REQUEST_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 5.0
LINGER_S = 1.0  # an answer to a request that was not read whole gets lost if the connection is closed at once
LINGER_BYTES = 1 << 20
AHEAD_LIMIT = 16
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
log = logging.getLogger(__name__)
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """A request, whole.

    Args:
        headers: names in lower case; values of a repeated name joined by commas (RFC 9110 section 5.3).
        address: the sender's.
    """

    method: str = ""
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    address: str = "?"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it is written; `Content-Length`, `Date` and `Connection` are added."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


Respond = Callable[[Response], None]


class Handler(Protocol):
    """Answers requests."""

    def __call__(self, request: Request, respond: Respond) -> None:
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
    lines.append(b"Content-Length: %d\r\n" % len(response.body))
    lines.append(f"Date: {date}\r\n".encode())
    lines.append(b"Connection: keep-alive\r\n\r\n" if keep_alive else b"Connection: close\r\n\r\n")
    if not head_only:
        lines.append(response.body)
    return b"".join(lines)


class Connections:
    """All connections of a server.

    Args:
        handler: answers requests.
        limit: connections at once; one more is answered 503.
        refused: told of each answer that is given without a handler, and to which address.
        epoch_s: the clock of the Date header.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limit: int,
        epoch_s: Callable[[], float] = time.time,
        refused: Callable[[Answer, str], None] = lambda _answer, _address: None,
    ) -> None:
        self.handler, self.epoch_s, self.refused = handler, epoch_s, refused
        self.limit = limit
        self.open: set[HttpProtocol] = set()
        self.stopping = False
        self._date = (0, "")

    def __call__(self) -> HttpProtocol:
        """A protocol for a new connection."""
        return HttpProtocol(self)

    def date(self) -> str:
        """The Date header's value, made once a second."""
        second = int(self.epoch_s())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    async def drain(self, timeout_s: float) -> None:
        """Let begun requests end; idle connections are closed at once."""
        self.stopping = True
        for connection in list(self.open):
            connection.close_if_idle()
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while self.open and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(0.02)
        for connection in list(self.open):
            connection.abort()


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._request = Request()
        self._address = "?"
        self._url = b""
        self._body: list[bytes] = []
        self._body_bytes = self._head_bytes = self._counted_bytes = self._lingered_bytes = 0
        self._in_head = True
        self._receiving = False
        self._waiting: deque[Request] = deque()
        self._answering = False
        self._deaf = False  # an answer was given that ends the connection: nothing is read any more

    # ---- asyncio -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A board connected."""
        self._transport = cast(asyncio.Transport, transport)  # TCP; uvloop's is no subclass
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._all.open.add(self)
        self._restart_timer(REQUEST_TIMEOUT_S, self._too_slow)
        if len(self._all.open) > self._all.limit:
            self._end_with(refusal(503, "too many connections; come again", "connections", 5))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is over."""
        self._stop_timer()
        self._all.open.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._deaf:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > LINGER_BYTES:
                self.abort()
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end_with(refusal(400, "the connection cannot be upgraded", "http"))
        except httptools.HttpParserCallbackError:
            log.exception("a request from %s", self._address)
            self._end_with(refusal(500, "internal error", "internal"))
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._end_with(refusal(400, f"not an HTTP request: {error}", "http"))
        else:
            if self._in_head and self._head_bytes > HEAD_LIMIT:
                self._end_with(refusal(431, f"the head is over {HEAD_LIMIT} bytes", "http"))

    def eof_received(self) -> bool:
        """The sender will send no more; begun answers still go out."""
        return self._answering

    # ---- httptools ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._receiving = True
        self._request = Request(address=self._address)
        self._url, self._body = b"", []
        self._body_bytes = self._counted_bytes = 0
        self._in_head = True
        self._restart_timer(REQUEST_TIMEOUT_S, self._too_slow)

    def on_url(self, url: bytes) -> None:
        """Part of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers = self._request.headers
        self._counted_bytes += len(name) + len(value) + 4
        if self._counted_bytes > HEAD_LIMIT and not self._deaf:
            self._end_with(refusal(431, f"the head is over {HEAD_LIMIT} bytes", "http"))
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._head_bytes = 0
        if self._request.headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Part of its body."""
        self._body_bytes += len(body)
        if self._body_bytes > BODY_LIMIT:
            if not self._deaf:
                self._end_with(refusal(413, f"the body is over {BODY_LIMIT} bytes", "too_large"))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._deaf:
            return
        self._stop_timer()
        request = self._request
        request.method = self._parser.get_method().decode("latin-1")
        request.target = self._url.decode("latin-1")
        request.body = b"".join(self._body)
        request.keep_alive = self._parser.should_keep_alive()
        self._in_head, self._receiving = True, False
        self._waiting.append(request)
        if len(self._waiting) > AHEAD_LIMIT:
            self._end_with(refusal(400, f"over {AHEAD_LIMIT} requests ahead of their answers", "http"))
        elif not self._answering:
            self._next()

    # ---- answers -----------------------------------------------------------------------------------------------

    def _next(self) -> None:
        request = self._waiting.popleft()
        self._answering = True
        self._all.handler(request, lambda response: self._write(request, response))

    def _write(self, request: Request, response: Response) -> None:
        self._answering = False
        transport = self._transport
        if transport is None or self._deaf:
            return
        keep_alive = request.keep_alive and not self._all.stopping
        date = self._all.date()
        transport.write(encode(response, keep_alive=keep_alive, head_only=request.method == "HEAD", date=date))
        if not keep_alive:
            self._deaf = True
            transport.close()
        elif self._waiting:
            self._next()
        else:
            self._restart_timer(KEEP_ALIVE_S, self._close)

    def _end_with(self, answer: Answer) -> None:
        """Answer, and take in nothing more; the connection is closed once the sender could hear it."""
        self._deaf = True
        self._waiting.clear()
        self._all.refused(answer, self._address)
        if self._transport is None:
            return
        date = self._all.date()
        self._transport.write(encode(response_of(answer), keep_alive=False, head_only=False, date=date))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._restart_timer(LINGER_S, self._close)

    def _too_slow(self) -> None:
        if self._receiving:
            self._end_with(refusal(408, f"the request was not whole within {REQUEST_TIMEOUT_S:g} s", "slow"))
        else:
            self._close()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is being received or answered."""
        if not (self._answering or self._waiting or self._receiving):
            self._close()

    def abort(self) -> None:
        """Close the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _restart_timer(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
