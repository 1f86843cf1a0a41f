"""wrk with our script and the open loop post the same bytes as wire.py, count only 200, and hide no stall."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plantkeeper_hil.bench.gateway import open_loop
from plantkeeper_hil.bench.gateway.errors import LoadError
from plantkeeper_hil.bench.gateway.load import Load, closed_loop
from plantkeeper_hil.bench.gateway.wire import Posting, request
from plantkeeper_hil.stack.service import listening_socket, port_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]
Answer = Callable[[int], int]


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_loop.build(tmp_path_factory.mktemp("cache"))


class Listener:
    """A server that keeps the bytes of requests."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[bytes] = []
        self._answer, self._lock = answer, threading.Lock()
        self._talks: list[threading.Thread] = []
        self._socket = listening_socket()
        self._socket.listen(512)
        self.port = port_of(self._socket)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._talks.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            while self._exchange(connection):
                pass

    def _exchange(self, connection: socket.socket) -> bool:
        got = b""
        try:
            while not _whole(got):
                piece = connection.recv(65536)
                if not piece:
                    return False
                got += piece
            with self._lock:  # readings are numbered in the order in which they are whole
                self.seen.append(got)
                number = len(self.seen)
            status = self._answer(number)
            last = b"Connection: close" in got
            closing = b"Connection: close\r\n" if last else b""
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n%s\r\n{}" % (status, closing))
        except OSError:
            return False
        return not last

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for thread in self._talks:
            thread.join()


def _whole(got: bytes) -> bool:
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return False
    [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
    return len(body) >= length


@contextmanager
def listening(answer: Answer = lambda _n: 200) -> Iterator[Listener]:
    listener = Listener(answer)
    try:
        yield listener
    finally:
        listener.close()


POSTINGS = [
    Posting("close", "field", host=False, devices=7, boot=3),
    Posting("close", "field", host=True, devices=1000, boot=3),
    Posting("keep", "firmware", host=True, devices=7, boot=42),
    Posting("close", "firmware", host=True, devices=7, boot=42),
]


@pytest.mark.parametrize("posting", POSTINGS, ids=str)
def test_wrk_posts_these_bytes(posting: Posting) -> None:
    with listening() as listener:
        load = closed_loop(listener.port, posting, boards=1, duration_s=1)
    assert load.accepted > 50
    # wrk builds the first request only to see how many there are in it
    expected = [request(n, posting) for n in range(2, len(listener.seen) + 2)]
    assert listener.seen == expected


@pytest.mark.parametrize("posting", POSTINGS, ids=str)
def test_the_open_loop_posts_these_bytes(generator: Path, posting: Posting) -> None:
    with listening() as listener:
        load = open_loop.open_loop(generator, listener.port, posting, rate_per_s=100, duration_s=0.5)
    assert (load.accepted, load.refused, load.broken) == (50, 0, 0)
    assert set(listener.seen) == {request(n, posting) for n in range(1, 51)}


def by_wrk(_generator: Path, port: int) -> Load:
    return closed_loop(port, Posting("close"), boards=1, duration_s=1)


def by_open_loop(generator: Path, port: int) -> Load:
    return open_loop.open_loop(generator, port, Posting("close"), rate_per_s=100, duration_s=1)


@pytest.mark.parametrize("load", [by_wrk, by_open_loop])
def test_only_200_counts_as_accepted(generator: Path, load: Callable[[Path, int], Load]) -> None:
    statuses = [200, 202, 204, 301, 400, 429, 500, 503]
    with listening(lambda n: statuses[n % len(statuses)]) as listener:
        seen = load(generator, listener.port)
    total = seen.accepted + seen.refused
    assert total >= 90
    assert seen.accepted == pytest.approx(total / len(statuses), abs=1.5)


def test_a_stall_counts_for_every_reading_that_was_due_meanwhile(generator: Path) -> None:
    stalled = threading.Lock()

    def stall(n: int) -> int:
        with stalled:
            if n == 50:
                time.sleep(0.5)  # the server's stall is what is measured
        return 200

    with listening(stall) as listener:
        open_ = open_loop.open_loop(generator, listener.port, Posting("close"), rate_per_s=100, duration_s=1.5)
    assert open_.accepted == 150
    assert open_.p99_ms > 400  # 50 of 150 were due while it stalled; a closed loop would have seen one
    assert open_.duration_s == pytest.approx(1.5, abs=0.3)


def test_a_server_that_is_not_there_is_an_error(generator: Path) -> None:
    with listening_socket() as listener:
        port = port_of(listener)
    with pytest.raises(LoadError):
        closed_loop(port, Posting("close"), boards=1, duration_s=1)
    with pytest.raises(LoadError, match="nobody answered"):
        open_loop.open_loop(generator, port, Posting("close"), rate_per_s=10, duration_s=0.2)
