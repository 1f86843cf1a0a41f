"""Any bytes at all on a real socket: a 4xx or a cut connection, never a 500, never a row, never a stuck gateway."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plantkeeper_hil.stack.service import Service

pytestmark = pytest.mark.integration

GOOD = b"POST /sensor-data HTTP/1.1\r\nConnection: close\r\nContent-Length: 8\r\n\r\n" + b'{"id":1}'
LINE = b"POST /sensor-data HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
FIELD = (Path(__file__).parents[2] / "contract" / "field_post.http").read_bytes()
BOARD = (Path(__file__).parents[2] / "contract" / "board_post.http").read_bytes()
NO_FIXTURE_CHECK = [HealthCheck.function_scoped_fixture]


class Gateway:
    """A gateway without a limit of rates, and its rows."""

    def __init__(self, address: str, dsn: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self._connection = psycopg2.connect(dsn)
        self._connection.autocommit = True

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=15)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def exchange(self, pieces: Sequence[bytes], *, half_close: bool = True) -> bytes:
        """Send pieces, say that there are no more, and read until the gateway closes."""
        answer = b""
        with self.connect() as connection:
            with suppress(OSError):  # it was cut off; what it was told may still be there
                for piece in pieces:
                    connection.sendall(piece)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while data := connection.recv(65_536):
                    answer += data
        return answer

    def rows(self) -> list[tuple[object, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT device_id, temperature, humidity, light FROM reading ORDER BY id")
            return cursor.fetchall()

    def count(self) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM outbox)")
            [(readings, waiting)] = cursor.fetchall()
        assert readings == waiting
        return int(readings)

    def assert_well(self) -> None:
        """A good request on a new connection is answered."""
        assert statuses(self.exchange([GOOD])) == [200]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def gateway(start_gateway: Callable[..., str], database_dsn: str) -> Iterator[Gateway]:
    made = Gateway(start_gateway(database_dsn, PLANTKEEPER_RATE_DEVICE_PER_MINUTE="0"), database_dsn)
    yield made
    made.close()


def statuses(answers: bytes) -> list[int]:
    """Of answers one after the other, each with its length."""
    found = []
    while answers:
        head, end, rest = answers.partition(b"\r\n\r\n")
        assert end, answers
        assert head.startswith(b"HTTP/1.1 ")
        status = int(head[9:12])
        if status == 100:
            answers = rest
            continue
        [length] = [int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        assert len(rest) >= length
        found.append(status)
        answers = rest[length:]
    return found


FORBIDDEN = [
    LINE + b"Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + b'{"id":1}\r\n0\r\n\r\n',
    LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n" + b'{"id":1}',
    LINE + b'Content-Length: 8\r\nContent-Length: 8\r\n\r\n{"id":1}',
    LINE + b'Content-Length: 8\r\nContent-Length: 0\r\n\r\n{"id":1}',
    LINE + b'Content-Length: +8\r\n\r\n{"id":1}',
    LINE + b'Content-Length: 0_8\r\n\r\n{"id":1}',
    LINE + b'Content-Length: 99999999999999999999\r\n\r\n{"id":1}',
    LINE + b'Content-Length : 8\r\n\r\n{"id":1}',
    LINE + b'Content-Length:\r\n 8\r\n\r\n{"id":1}',
    LINE + b'X: y\nContent-Length: 8\r\n\r\n{"id":1}',
    LINE + b'X: \0\r\nContent-Length: 8\r\n\r\n{"id":1}',
    LINE + b'Transfer-Encoding: xchunked\r\n\r\n8\r\n{"id":1}\r\n0\r\n\r\n',
    LINE + b'Transfer-Encoding: chunked, identity\r\n\r\n8\r\n{"id":1}\r\n0\r\n\r\n',
    LINE + CHUNKED + b'-8\r\n{"id":1}\r\n0\r\n\r\n',
    LINE + CHUNKED + b'8\r\n{"id":1}0\r\n\r\n',
    LINE + CHUNKED + b'8\n{"id":1}\n0\n\n',
    b'POST http://gateway/sensor-data HTTP/1.1\r\nContent-Length: 8\r\n\r\n{"id":1}',
    b'CONNECT gateway:80 HTTP/1.1\r\nContent-Length: 8\r\n\r\n{"id":1}',
    b'post /sensor-data HTTP/1.1\r\nContent-Length: 8\r\n\r\n{"id":1}',
    b'POST /sensor-data HTTP/2.0\r\nContent-Length: 8\r\n\r\n{"id":1}',
    b'POST /sensor-data\r\n\r\n{"id":1}',
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    LINE + b'Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 8\r\n\r\n{"id":1}',
    LINE + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
    LINE + b"X: y\r\n" * 20_000 + b'Content-Length: 8\r\n\r\n{"id":1}',
    LINE + b"X: " + b"y" * 200_000,
    b"GET /" + b"x" * 200_000,
    b"\r\n" * 100_000,
    LINE + CHUNKED + b"1;" + b"x" * 200_000,
    LINE + CHUNKED + b"0\r\nX: " + b"y" * 200_000,
    LINE + b"Content-Length: 200000\r\n\r\n" + b" " * 200_000,
    LINE + b"Connection: close\r\nContent-Length: 4000\r\n\r\n" + b"[" * 4000,
    bytes.fromhex("16030100c2010000be0303") + bytes(200),
]


def test_what_must_not_get_through_is_refused_and_the_connection_closed(gateway: Gateway) -> None:
    for request in FORBIDDEN:
        # what follows must not be taken for a request either
        [status] = statuses(gateway.exchange([request + GOOD], half_close=False))
        assert 400 <= status < 500, (request[:80], status)
    assert gateway.count() == 0
    gateway.assert_well()


def test_a_client_that_waits_before_it_sends_too_much_is_refused_at_once(gateway: Gateway) -> None:
    begun_s = time.monotonic()
    with gateway.connect() as connection:
        connection.sendall(LINE + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    with gateway.connect() as connection:
        connection.sendall(LINE + b"Expect: 100-continue\r\nContent-Length: 8\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"id":1}')
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert time.monotonic() - begun_s < 5
    assert gateway.count() == 1


def field_request(body: bytes) -> list[bytes]:
    """As the original firmware sends it: no Host, each line in a segment of its own."""
    return [
        b"POST /sensor-data HTTP/1.1\r\n",
        b"User-Agent: Arduino/2.2.0\r\n",
        b"Connection: close\r\n",
        b"Content-Type: application/json\r\n",
        b"Content-Length: %d\r\n" % len(body),
        b"\r\n",
        body,
    ]


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (b'{"id":7,"temperature":22.37000084,"humidity":316,"light":1043.75}', (7, 22.37000084, 316.0, 1043.75)),
        (b'{"id":7,"temperature":null,"humidity":0,"light":0}', (7, None, 0.0, 0.0)),
        (b'{"id":7,"temperature":22.00000000,"humidity":-0,"light":2000.00000000}', (7, 22.0, 0.0, 2000.0)),
        (b'{"humidity": 41, "light": 900, "temperature": 21.5, "id": 2147483647}', (2147483647, 21.5, 41.0, 900.0)),
        (b'{"temperature":-0.5,"light":1e-3,"humidity":99.99999999,"id":1}', (1, -0.5, 99.99999999, 0.001)),
    ],
)
def test_what_boards_in_the_field_send_is_stored_as_sent(
    gateway: Gateway, body: bytes, row: tuple[object, ...]
) -> None:
    answer = gateway.exchange(field_request(body), half_close=False)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 200 OK"
    assert b"\r\nContent-Length: %d\r\n" % len(content) in head + b"\r\n"
    assert b"chunked" not in head.lower()
    assert gateway.rows() == [row]


def test_a_line_end_after_the_body_does_no_harm(gateway: Gateway) -> None:
    """println() adds one, and boards use it."""
    for _ in range(20):
        assert statuses(gateway.exchange([*field_request(b'{"id":7}'), b"\r\n"], half_close=False)) == [200]
    assert gateway.count() == 20


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=NO_FIXTURE_CHECK)
@example(stream=b"\0")
@example(stream=b"\r\n\r\n")
@given(stream=st.binary(max_size=300) | st.lists(st.sampled_from(FORBIDDEN) | st.binary(max_size=9)).map(b"".join))
def test_any_bytes_store_nothing_and_the_next_request_is_answered(gateway: Gateway, stream: bytes) -> None:
    before = gateway.count()
    found = statuses(gateway.exchange([stream]))
    assert all(400 <= status < 500 for status in found)
    assert gateway.count() == before
    gateway.assert_well()


def flip(request: bytes, bit: int) -> bytes:
    at, mask = bit // 8 % len(request), 1 << bit % 8
    return request[:at] + bytes([request[at] ^ mask]) + request[at + 1 :]


def cut(request: bytes, at: int) -> bytes:
    return request[: at % len(request)]


def double(request: bytes, at: int) -> bytes:
    begin = at % len(request)
    return request[:begin] + request[begin : begin + 5] + request[begin:]


changes = st.lists(st.tuples(st.sampled_from([flip, cut, double]), st.integers(0, 10_000)), min_size=1, max_size=3)


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=NO_FIXTURE_CHECK)
@given(st.sampled_from([FIELD, BOARD, GOOD]), changes)
def test_whatever_a_good_request_becomes_a_row_means_200_and_200_means_a_row(
    gateway: Gateway, request_bytes: bytes, changes: list[tuple[Callable[[bytes, int], bytes], int]]
) -> None:
    for change, number in changes:
        request_bytes = change(request_bytes, number) or b"x"
    keyed = b"Idempotency-Key" in request_bytes
    before = gateway.count()
    found = statuses(gateway.exchange([request_bytes]))
    assert all(status == 200 or 400 <= status < 500 for status in found)
    added = gateway.count() - before
    assert added <= found.count(200) if keyed else added == found.count(200)
    gateway.assert_well()


@pytest.mark.slow
@settings(deadline=None, max_examples=100, suppress_health_check=NO_FIXTURE_CHECK)
@given(st.lists(st.integers(0, len(FIELD)), max_size=12))
def test_a_good_request_is_stored_once_wherever_it_is_split(gateway: Gateway, cuts: list[int]) -> None:
    before = gateway.count()
    bounds = [0, *sorted(cuts), len(FIELD)]
    pieces = [FIELD[begin:end] for begin, end in pairwise(bounds)]
    assert statuses(gateway.exchange(pieces, half_close=False)) == [200]
    assert gateway.count() == before + 1


def test_a_request_in_single_bytes_is_stored_once(gateway: Gateway) -> None:
    assert statuses(gateway.exchange([bytes([byte]) for byte in FIELD], half_close=False)) == [200]
    assert gateway.count() == 1


def test_what_follows_a_good_request_is_answered_in_its_turn(gateway: Gateway) -> None:
    keep = GOOD.replace(b"Connection: close\r\n", b"")
    assert statuses(gateway.exchange([keep * 5 + b"rubbish\r\n\r\n" + keep])) == [200] * 5 + [400]
    assert gateway.count() == 5


SLOW = 10_000
SPARE_DESCRIPTORS = 1_000
PATIENCE_S = 5.0


@pytest.mark.slow
def test_ten_thousand_slow_connections_leave_room_for_boards(
    gateway: Gateway, services: list[Service], record_property: Callable[[str, object], None]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(SLOW, hard - SPARE_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process = psutil.Process(services[-1].pid)
    gateway.assert_well()
    before = process.memory_info().rss
    slow: list[socket.socket] = []
    took_s: list[float] = []
    found: list[list[int]] = []

    def board_posts() -> None:
        """As a board does: until it hears 200."""
        begun_s = time.monotonic()
        first = heard = statuses(gateway.exchange([FIELD], half_close=False))
        while heard != [200]:
            assert heard in ([503], []), heard
            assert time.monotonic() - begun_s < PATIENCE_S
            say_a_little(slow[-200:], b"X")
            heard = statuses(gateway.exchange([FIELD], half_close=False))
        found.append(first)
        took_s.append(time.monotonic() - begun_s)

    try:
        for number in range(count):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(gateway.address)
            slow.append(connection)
            if number % 200 == 199:
                say_a_little(slow[-200:], LINE)
                board_posts()
        most = process.memory_info().rss
        most_connections = len(process.net_connections("tcp"))
        deadline_s = time.monotonic() + 14
        while time.monotonic() < deadline_s and len(process.net_connections("tcp")) > 1 + 100:
            say_a_little(slow[-2000:], b"X")
            board_posts()
            most = max(most, process.memory_info().rss)
        left = len(process.net_connections("tcp"))
    finally:
        for connection in slow:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    served = found.count([200])
    figures = {
        "slow connections": count,
        "open at once in the gateway": most_connections,
        "left at the end": left,
        "memory in MB": round((most - before) / 1e6, 1),
        "boards' posts": len(found),
        "heard at the first try": served,
        "p50 in ms": round(1000 * sorted(took_s)[len(took_s) // 2], 1),
        "longest in ms": round(1000 * max(took_s), 1),
    }
    record_property("figures", str(figures))
    assert gateway.count() == len(found) + 1
    assert most_connections <= 2_000 + 256 + 100
    assert most - before < 100e6
    assert left <= 101, figures
    gateway.assert_well()
    begun_s = time.monotonic()
    services[-1].end()
    assert time.monotonic() - begun_s < 5  # nothing is left that it would wait for
    print(figures)


def say_a_little(connections: Sequence[socket.socket], data: bytes) -> None:
    """Send to all; some are not connected yet, or cut off."""
    for connection in connections:
        with suppress(OSError):
            connection.send(data)
