"""Bytes to requests: what is one, what is none, whatever the cuts, and never more than the limits."""

from __future__ import annotations

import json

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.http_reader import Request, RequestReader
from plantkeeper_proxy.ingest import Answer
from plantkeeper_proxy.limits import HttpLimits

LINE = b"POST /sensor-data HTTP/1.1\r\n"
BODY = b'{"id":1}'
LENGTH = b"Content-Length: 8\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"8\r\n" + BODY + b"\r\n0\r\n\r\n"
Item = Request | Answer


def read(data: bytes, *, step: int = 1 << 30) -> list[Item]:
    """Everything that a reader makes of some bytes that come in pieces."""
    reader = RequestReader(HttpLimits(), "192.0.2.1")
    items: list[Item] = []
    for begin in range(0, len(data), step):
        reader.feed(data[begin : begin + step])
        while (item := reader.take()) is not None:
            items.append(item)
    return items


def told(answer: Item) -> str:
    assert isinstance(answer, Answer)
    said = json.loads(answer.body)["error"]
    assert isinstance(said, str)
    return said


FORBIDDEN = {
    "both lengths": LINE + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "both lengths, the other way round": LINE + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "a length twice, equal": LINE + LENGTH + LENGTH + b"\r\n" + BODY,
    "a length twice, unequal": LINE + LENGTH + b"Content-Length: 9\r\n\r\n" + BODY,
    "a list of lengths": LINE + b"Content-Length: 8, 8\r\n\r\n" + BODY,
    "a length with plus": LINE + b"Content-Length: +8\r\n\r\n" + BODY,
    "a length with minus": LINE + b"Content-Length: -8\r\n\r\n" + BODY,
    "a length with underscore": LINE + b"Content-Length: 0_8\r\n\r\n" + BODY,
    "a hexadecimal length": LINE + b"Content-Length: 0x8\r\n\r\n" + BODY,
    "a fractional length": LINE + b"Content-Length: 8.0\r\n\r\n" + BODY,
    "an empty length": LINE + b"Content-Length: \r\n\r\n" + BODY,
    "a length beyond 64 bits": LINE + b"Content-Length: 18446744073709551624\r\n\r\n" + BODY,
    "Arabic digits": LINE + "Content-Length: ٨\r\n\r\n".encode() + BODY,
    "a coding that ends in chunked": LINE + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "chunked, identity": LINE + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "identity": LINE + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
    "gzip, chunked": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "chunked twice": LINE + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "chunked in quotes": LINE + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS,
    "chunked after a vertical tab": LINE + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "no coding at all": LINE + b"Transfer-Encoding: \r\n" + LENGTH + b"\r\n" + BODY,
    "chunked in HTTP/1.0": b"POST /sensor-data HTTP/1.0\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "a chunk size of letters": LINE + CHUNKED + b"\r\nzz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with 0x": LINE + CHUNKED + b"\r\n0x8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with a sign": LINE + CHUNKED + b"\r\n+8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with a space": LINE + CHUNKED + b"\r\n8 \r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": LINE + CHUNKED + b"\r\n10000000000000008\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk that ends in LF": LINE + CHUNKED + b"\r\n8\r\n" + BODY + b"\n0\r\n\r\n",
    "a chunk size that ends in LF": LINE + CHUNKED + b"\r\n8\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk without an end": LINE + CHUNKED + b"\r\n8\r\n" + BODY + b"0\r\n\r\n",
    "LF in a chunk extension": LINE + CHUNKED + b"\r\n8;a\nb\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a length in a trailer": LINE + CHUNKED + b"\r\n8\r\n" + BODY + b"\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a folded header": LINE + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded length": LINE + b"Content-Length:\r\n 8\r\n\r\n" + BODY,
    "a folded first line": LINE + b" X: a\r\n" + LENGTH + b"\r\n" + BODY,
    "LF after a header": LINE + b"X: a\n" + LENGTH + b"\r\n" + BODY,
    "LF after the request line": b"POST /sensor-data HTTP/1.1\n" + LENGTH + b"\r\n" + BODY,
    "LF after the head": LINE + LENGTH + b"\n" + BODY,
    "CR in a value": LINE + b"X: a\rb\r\n" + LENGTH + b"\r\n" + BODY,
    "CR CR LF": LINE + b"X: a\r\r\n" + LENGTH + b"\r\n" + BODY,
    "a space before the colon": LINE + b"Content-Length : 8\r\n\r\n" + BODY,
    "a tab before the colon": LINE + b"Content-Length\t: 8\r\n\r\n" + BODY,
    "no name": LINE + b": x\r\n" + LENGTH + b"\r\n" + BODY,
    "no colon": LINE + b"x\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a name": LINE + b"X\0Y: a\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a value": LINE + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in the target": b"POST /sensor-data\0 HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a control character in a value": LINE + b"X: \x01\r\n" + LENGTH + b"\r\n" + BODY,
    "absolute form": b"POST http://x/sensor-data HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "authority form": b"CONNECT x:80 HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a star": b"POST * HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a fragment": b"POST /sensor-data#x HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "bytes over 127 in the target": b"POST /sensor-d\xe4ta HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a method in lower case": b"post /sensor-data HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/0.9 in words": b"POST /sensor-data HTTP/0.9\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/0.9": b"GET /sensor-data\r\n\r\n",
    "HTTP/1.2": b"POST /sensor-data HTTP/1.2\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/2.0": b"POST /sensor-data HTTP/2.0\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http in lower case": b"POST /sensor-data http/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "RTSP": b"POST /sensor-data RTSP/1.0\r\n" + LENGTH + b"\r\n" + BODY,
    "ICE": b"SOURCE /sensor-data ICE/1.0\r\n" + LENGTH + b"\r\n" + BODY,
    "two spaces": b"POST  /sensor-data HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a tab for a space": b"POST\t/sensor-data HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "a space at the end of the line": b"POST /sensor-data HTTP/1.1 \r\n" + LENGTH + b"\r\n" + BODY,
    "a space at the begin of the line": b" POST /sensor-data HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY,
    "two hosts": LINE + b"Host: a\r\nHost: a\r\n" + LENGTH + b"\r\n" + BODY,
    "an upgrade": LINE + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH + b"\r\n" + BODY,
    "a wish that cannot be met": LINE + b"Expect: wonders\r\n" + LENGTH + b"\r\n" + BODY,
    "TLS": bytes.fromhex("16030100c2010000be0303"),
}


@pytest.mark.parametrize("step", [1, 3, 1 << 30])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_must_not_get_through_is_a_4xx_and_the_end(name: str, step: int) -> None:
    follow = LINE + LENGTH + b"\r\n" + BODY
    items = read(FORBIDDEN[name] + follow, step=step)
    assert [isinstance(item, Answer) and item.status // 100 for item in items] == [4], items
    assert told(items[0])


ACCEPTED = {
    "as boards send it": LINE + LENGTH + b"\r\n" + BODY,
    "empty lines first": b"\r\n\r\n" + LINE + LENGTH + b"\r\n" + BODY,
    "spaces around the length": LINE + b"Content-Length: \t 8 \t\r\n\r\n" + BODY,
    "zeros before the length": LINE + b"content-length: 0008\r\n\r\n" + BODY,
    "chunked": LINE + CHUNKED + b"\r\n" + CHUNKS,
    "in many chunks": LINE + CHUNKED + b"\r\n" + b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    "chunked with a trailer": LINE + CHUNKED + b"\r\n8\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n",
    "an offer to upgrade": LINE + b"Upgrade: h2c\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/1.0": b"POST /sensor-data HTTP/1.0\r\n" + LENGTH + b"\r\n" + BODY,
    "64 headers": LINE + b"X: y\r\n" * 63 + LENGTH + b"\r\n" + BODY,
}


@pytest.mark.parametrize("step", [1, 3, 1 << 30])
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted(name: str, step: int) -> None:
    [request] = read(ACCEPTED[name], step=step)
    assert isinstance(request, Request)
    assert (request.method, request.target, request.body, request.address) == (
        "POST",
        "/sensor-data",
        BODY,
        "192.0.2.1",
    )
    assert request.keep_alive == (b"chunked" not in ACCEPTED[name] and b"HTTP/1.0" not in ACCEPTED[name])


@pytest.mark.parametrize(
    ("request_bytes", "status", "said"),
    [
        (LINE + b"X: " + b"y" * 8200, 431, "the head is over 8192 bytes"),
        (LINE + b"X: y\r\n" * 65 + LENGTH + b"\r\n" + BODY, 431, "over 64 headers"),
        (b"POST /" + b"x" * 8200, 431, "the head is over 8192 bytes"),
        (b"\r\n" * 5000, 431, "the head is over 8192 bytes"),
        (LINE + b"Content-Length: 4097\r\n\r\n", 413, "the body is over 4096 bytes"),
        (LINE + b"Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n", 413, "the body is over 4096 bytes"),
        (LINE + CHUNKED + b"\r\n1001\r\n" + b" " * 4097, 413, "the body is over 4096 bytes"),
        (LINE + CHUNKED + b"\r\n" + b"1\r\n \r\n" * 2000, 413, "the body is over 4096 bytes"),
        (LINE + CHUNKED + b"\r\n1;" + b"x" * 9000, 413, "the body is over 4096 bytes"),
        (LINE + CHUNKED + b"\r\n0\r\nX: " + b"y" * 9000, 413, "the body is over 4096 bytes"),
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 30])
def test_limits(request_bytes: bytes, status: int, said: str, step: int) -> None:
    [answer] = read(request_bytes, step=step)
    assert isinstance(answer, Answer)
    assert (answer.status, told(answer)) == (status, said)


def test_a_body_of_4096_bytes_is_taken() -> None:
    for head, body in (
        (b"Content-Length: 4096\r\n\r\n", b" " * 4096),
        (CHUNKED + b"\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n0\r\n\r\n"),
    ):
        [request] = read(LINE + head + body)
        assert isinstance(request, Request)
        assert len(request.body) == 4096


def test_a_sender_that_waits_for_continue_is_noticed_once() -> None:
    reader = RequestReader(HttpLimits(), "?")
    reader.feed(LINE + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n")
    assert reader.take() is None
    assert reader.wants_continue
    reader.feed(BODY)
    assert isinstance(reader.take(), Request)
    assert not reader.wants_continue


def test_a_post_without_a_length_is_the_last_of_its_connection() -> None:
    items = read(LINE + b"\r\n" + LINE + LENGTH + b"\r\n" + BODY)
    assert [isinstance(item, Request) and (item.body, item.keep_alive) for item in items] == [(b"", False)]


def test_after_the_last_request_nothing_is_read() -> None:
    head = LINE + b"Connection: close\r\n" + LENGTH + b"\r\n"
    assert len(read(head + BODY + b"\r\n" + LINE + LENGTH + b"\r\n" + BODY)) == 1


tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=':"(),/;<=>?@[\\]{}'))
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "expect", "host", "proxy-connection"}
headers = st.dictionaries(
    tokens.filter(lambda name: 0 < len(name) < 20 and name.lower() not in FRAMING), values, max_size=6
)
requests = st.tuples(headers, st.binary(max_size=60))


def written(fields: dict[str, str], body: bytes) -> bytes:
    lines = [f"{name}: {value}\r\n".encode() for name, value in fields.items()]
    return LINE + b"".join(lines) + b"Content-Length: %d\r\n\r\n" % len(body) + body


@given(st.lists(requests, max_size=4), st.integers(1, 400))
def test_requests_come_out_as_they_went_in_wherever_they_are_cut(
    sent: list[tuple[dict[str, str], bytes]], step: int
) -> None:
    items = read(b"".join(written(*one) for one in sent), step=step)
    assert len(items) == len(sent)
    for item, (fields, body) in zip(items, sent, strict=True):
        assert isinstance(item, Request)
        assert item.body == body
        for name in fields:
            both = [value.strip(" \t") for other, value in fields.items() if other.lower() == name.lower()]
            assert item.headers[name.lower()] == ", ".join(both)


def held(reader: RequestReader) -> int:
    """Bytes that a reader keeps."""
    return sum(
        len(part)
        for part in (reader._head, reader._url, *reader._body)  # what the limits are there to bound
    )


pieces = st.sampled_from([*FORBIDDEN.values(), *ACCEPTED.values(), LINE, LENGTH, CHUNKED, b"\r\n", CHUNKS, BODY])


@given(st.lists(pieces | st.binary(max_size=40), max_size=12), st.data())
def test_any_bytes_are_requests_then_at_most_one_refusal_within_bounds_and_alike_however_cut(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(parts)
    whole = read(stream)
    assert all(isinstance(item, Request) for item in whole[:-1])
    assert all(isinstance(item, Request) or 400 <= item.status < 500 for item in whole)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = RequestReader(HttpLimits(), "192.0.2.1")
    items: list[Item] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[begin:end])
        while (item := reader.take()) is not None:
            items.append(item)
        assert reader.unread == 0
        assert held(reader) <= 2 * 8192 + 4096
    assert items == whole


def test_what_the_parser_lets_through_is_what_this_module_is_for() -> None:
    """Without this module's checks, these would be requests: a control, so that nobody takes them out."""
    through = 0
    for name in (
        "absolute form",
        "a fragment",
        "RTSP",
        "gzip, chunked",
        "HTTP/2.0",
        "two hosts",
        "chunked in HTTP/1.0",
    ):
        parser = httptools.HttpRequestParser(object())
        parser.feed_data(FORBIDDEN[name])
        through += 1
    assert through == 7
