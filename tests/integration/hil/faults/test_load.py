"""The load against a gateway of the test's own: what is sent, what counts as acknowledged, what is sent again."""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from plantkeeper_hil.errors import FaultRunError
from plantkeeper_hil.faults.ledger import fleet
from plantkeeper_hil.faults.load import Load, status_of
from plantkeeper_hil.stack.service import listening_socket

pytestmark = pytest.mark.integration
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n" + b'{"message":"stored"}\n'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n{}"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"


class Gateway:
    """Answers each connection's POST with what `decide(number of the POST)` says; None says nothing."""

    def __init__(self, decide: Callable[[int], bytes | None]) -> None:
        self.posts: dict[int, list[tuple[str | None, bytes, bool]]] = defaultdict(list)  # device: key, body, 200?
        self._decide, self._count = decide, 0
        self._listener = listening_socket()
        self.address = self._listener.getsockname()
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            request = b""
            while b"\r\n\r\n" not in request or len(request.partition(b"\r\n\r\n")[2]) < self._length(request):
                request += connection.recv(65_536)
            head, _, body = request.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            keys = [line.split(": ")[1] for line in lines if line.startswith("Idempotency-Key")]
            self._count += 1
            answer = self._decide(self._count)
            self.posts[json.loads(body)["id"]].append((keys[0] if keys else None, body, answer == GOOD))
            if answer is None:
                self._held.append(connection)
                continue
            connection.sendall(answer)
            connection.close()

    @staticmethod
    def _length(request: bytes) -> int:
        return int(request.partition(b"Content-Length: ")[2].split(b"\r\n")[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)
        for connection in self._held:
            connection.close()


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[int], bytes | None]], tuple[Gateway, Load]]]:
    made: list[tuple[Gateway, Load]] = []

    def make(decide: Callable[[int], bytes | None]) -> tuple[Gateway, Load]:
        gateway = Gateway(decide)
        made.append((gateway, Load(lambda: [gateway.address], fleet(6), seed="1", answer_timeout_s=0.2)))
        return made[-1]

    yield make
    for gateway, load in made:
        load.stop()
        gateway.close()


def test_exactly_as_many_are_acknowledged_as_allowed(
    start: Callable[[Callable[[int], bytes | None]], tuple[Gateway, Load]],
) -> None:
    gateway, load = start(lambda _number: GOOD)
    load.allow(20)
    load.wait(20, timeout_s=10)
    load.allow(33)
    load.wait(33, timeout_s=10)
    ledger = load.stop()
    assert (load.acknowledged, ledger.acknowledged, load.failures) == (33, 33, 0)
    for device_id, posts in gateway.posts.items():
        assert [body for _, body, _ in posts] == [sent.body for sent in ledger.of(device_id)]


@pytest.mark.parametrize(
    "failure", [BUSY, b"", GOOD[:40], GOOD[:-5], None], ids=["503", "closed", "cut", "short", "mute"]
)
def test_what_got_no_200_is_repeated_by_boards_with_keys_only(
    start: Callable[[Callable[[int], bytes | None]], tuple[Gateway, Load]], failure: bytes | None
) -> None:
    gateway, load = start(lambda number: failure if number % 5 == 0 else GOOD)
    load.allow(60)
    load.wait(60, timeout_s=20)
    ledger = load.stop()
    assert load.failures >= 12
    for device_id, posts in gateway.posts.items():
        numbers = [int(key.strip('"').split("-")[1]) for key, _, _ in posts if key is not None]
        if device_id % 2 == 0:  # the next only after the last was answered 200, the same until then
            assert numbers == sorted(numbers)
            done = [number for number, (_, _, good) in zip(numbers, posts, strict=True) if good]
            assert done == list(range(1, len(done) + 1))
        else:
            bodies = [body for _, body, _ in posts]
            assert len(set(bodies)) == len(bodies), "a board without keys sends nothing twice"
        assert [s.body for s in ledger.of(device_id) if s.acknowledged] == [body for _, body, good in posts if good]
        assert sum(s.posts for s in ledger.of(device_id)) == len(posts)


def test_a_refusal_of_a_good_reading_ends_the_load(
    start: Callable[[Callable[[int], bytes | None]], tuple[Gateway, Load]],
) -> None:
    _, load = start(lambda number: BAD if number == 7 else GOOD)
    load.allow(50)
    with pytest.raises(FaultRunError, match="refused a good reading with 400"):
        load.wait(50, timeout_s=10)


def test_nobody_there_is_said_with_the_answers_so_far() -> None:
    with listening_socket() as listener:
        address = listener.getsockname()
    load = Load(lambda: [address], fleet(2), seed="1", answer_timeout_s=0.2)
    load.allow(1)
    with pytest.raises(FaultRunError, match=r"0 of 1 readings were acknowledged within 0.2 s; .*econnrefused"):
        load.wait(1, timeout_s=0.2)
    load.stop()


@pytest.mark.parametrize(
    ("answer", "status"),
    [(GOOD, 200), (BUSY, 503), (GOOD[:-1], None), (GOOD[:30], None), (b"", None), (b"x" * 99, None)],
)
def test_an_answer_counts_once_it_is_whole(answer: bytes, status: int | None) -> None:
    assert status_of(answer) == status
