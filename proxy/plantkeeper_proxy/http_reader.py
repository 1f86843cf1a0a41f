"""From a connection's bytes to requests, one at a time: llhttp (httptools) parses, this module sets bounds. No I/O.

llhttp is strict: bare LF, obs-fold, a space before the colon, signs, lists or repeats of Content-Length, both lengths,
unknown codings and bad chunks are errors. What it lets through and this module does not: other versions than 1.0 and
1.1, RTSP, ICE, absolute-form targets, fragments, codings before `chunked`, any coding in HTTP/1.0, several Hosts,
Upgrade. It never sees a byte beyond the end of a request before that request is answered, so that no doubt about one
request's length reaches the next. A missing Host is accepted: boards in the field send none.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

import httptools

from plantkeeper_proxy.ingest import Answer, refusal
from plantkeeper_proxy.limits import HttpLimits

END_OF_HEAD = b"\r\n\r\n"
# RFC 9112 section 3, with one space where a lenient reader takes several
REQUEST_LINE = re.compile(rb"[\r\n]*[A-Z-]+ [!-~]+ HTTP/1\.[01]\r\n")
VERSIONS = frozenset({"1.0", "1.1"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Request:
    """A request, whole.

    Args:
        headers: names in lower case; values of a repeated name joined by commas (RFC 9110 section 5.3).
        keep_alive: whether another request may follow.
        address: the sender's.
    """

    method: str = ""
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    address: str = "?"


class RequestReader:
    """Reads one connection's requests.

    Args:
        limits: what a request may cost.
        address: the sender's.

    Attributes:
        wants_continue: the sender waits for `100 Continue` before it sends a body that would be accepted.
    """

    __slots__ = (
        "_address",
        "_at",
        "_body",
        "_body_bytes",
        "_buffer",
        "_ended",
        "_head",
        "_headers",
        "_in_head",
        "_left",
        "_limits",
        "_out",
        "_parser",
        "_request",
        "_url",
        "wants_continue",
    )

    def __init__(self, limits: HttpLimits, address: str) -> None:
        self._limits, self._address = limits, address
        self._parser = httptools.HttpRequestParser(self)
        self._buffer, self._at = b"", 0  # what the parser has not seen yet begins at _at
        self._out: Request | Answer | None = None
        self._ended = False
        self.wants_continue = False
        self._reset()

    def _reset(self) -> None:
        self._request = Request(address=self._address)
        self._in_head = True
        self._head = self._url = b""
        self._headers = self._body_bytes = self._left = 0
        self._body: list[bytes] = []

    def close(self) -> None:
        """Let go of the parser, which holds the reader: the two would wait for the garbage collector."""
        del self._parser
        self._ended = True

    @property
    def begun(self) -> bool:
        """Whether part of a request was read."""
        return bool(self._head) or not self._in_head

    @property
    def unread(self) -> int:
        """Bytes that wait to be looked at."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        if self._ended:
            return
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def take(self) -> Request | Answer | None:
        """The next request; or the answer to what is none, after which nothing is read; or None: not whole yet."""
        while self._out is None and not self._ended and self._at < len(self._buffer):
            begin = self._at
            self._at = self._end_of_piece(begin)
            self._parse(self._buffer[begin : self._at])
        out, self._out = self._out, None
        if isinstance(out, Answer) or (out is not None and not out.keep_alive):
            self._ended = True
            self._buffer, self._at = b"", 0
        return out

    def _end_of_piece(self, begin: int) -> int:
        """How far the parser may read: never past the end of a head, or of a body."""
        if not self._in_head:
            return min(len(self._buffer), begin + self._left)
        seam = self._head[-3:]
        if seam:
            found = (seam + self._buffer[begin : begin + 3]).find(END_OF_HEAD)
            if found >= 0:
                return begin + found + len(END_OF_HEAD) - len(seam)
        found = self._buffer.find(END_OF_HEAD, begin)
        return found + len(END_OF_HEAD) if found >= 0 else len(self._buffer)

    def _parse(self, piece: bytes) -> None:
        in_body = not self._in_head
        if in_body:
            self._left -= len(piece)
        else:
            if len(self._head) + len(piece) > self._limits.head_bytes:
                self._refuse(431, f"the head is over {self._limits.head_bytes} bytes")
                return
            self._head = self._head + piece if self._head else piece
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "the connection cannot be upgraded")
        except httptools.HttpParserCallbackError:
            log.exception("a request from %s", self._address)
            self._refuse(500, "internal error", "internal")
        except httptools.HttpParserError as error:
            self._refuse(400, f"not an HTTP request: {error}")
        if self._out is None and in_body and self._left == 0:
            self._refuse_body()  # in chunks: where a length was given, the parser has found the end

    def _refuse(self, status: int, said: str, reason: str = "http") -> None:
        if self._out is None:
            self._out = refusal(status, said, reason)

    def _refuse_body(self) -> None:
        self._refuse(413, f"the body is over {self._limits.body_bytes} bytes", "too_large")

    # ---- httptools calls these ---------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, of which nothing is kept."""
        if self._out is not None or not self._in_head:
            return
        self._headers += 1
        if self._headers > self._limits.headers:
            self._refuse(431, f"over {self._limits.headers} headers")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        headers = self._request.headers
        if key not in headers:
            headers[key] = text
        elif key == "host":
            self._refuse(400, "Host is given twice; expected once at most")
        else:
            headers[key] = f"{headers[key]}, {text}"

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        if self._out is not None:
            return
        request = self._request
        request.method = self._parser.get_method().decode("latin-1")
        request.target = self._url.decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive()
        version = self._parser.get_http_version()
        self._check_request_line(version)
        self._check_length(version)
        if "expect" in request.headers and version == "1.1":
            self._check_expectation(request.headers["expect"])
        if self._parser.should_upgrade():
            self._refuse(400, "the connection cannot be upgraded")

    def _check_request_line(self, version: str) -> None:
        target = self._request.target
        if version not in VERSIONS:
            self._refuse(400, f"HTTP/{version} is not spoken here; expected HTTP/1.1")
        if REQUEST_LINE.match(self._head) is None:
            self._refuse(400, "not an HTTP request: expected a line such as POST /sensor-data HTTP/1.1")
        if not (target.startswith("/") or (target == "*" and self._request.method == "OPTIONS")) or "#" in target:
            self._refuse(400, "the request's target is no path; expected one such as /sensor-data")

    def _check_length(self, version: str) -> None:
        """How long the body is (RFC 9112 section 6.3)."""
        headers = self._request.headers
        coding = headers.get("transfer-encoding")
        if coding is None:
            if "content-length" not in headers and self._request.method in WITH_BODY:
                self._request.keep_alive = False  # what follows may be meant as its body
            self._left = int(headers.get("content-length", "0"))  # llhttp has seen to it that it is digits
            if self._left > self._limits.body_bytes:
                self._refuse_body()
        elif coding.lower() != "chunked":
            self._refuse(400, f"Transfer-Encoding {coding!a} is not known here; expected Content-Length")
        elif version == "1.0":
            self._refuse(400, "Transfer-Encoding in HTTP/1.0; expected Content-Length")
        else:
            self._left = self._limits.body_bytes + self._limits.chunk_bytes
            self._request.keep_alive = False

    def _check_expectation(self, expected: str) -> None:
        if expected.lower() != "100-continue":
            self._refuse(417, f"Expect {expected!a} cannot be met; expected 100-continue or nothing")
        self.wants_continue = self._out is None

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse_body()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._out is None and not self._parser.should_upgrade():
            request = self._out = self._request
            request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self.wants_continue = False
            if request.keep_alive:  # else nothing follows
                self._reset()
            else:
                self._head, self._in_head = b"", True
