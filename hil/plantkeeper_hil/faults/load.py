"""A bounded load: many boards at once, each with one reading after the other, each POST on a TCP connection of its own.

One thread and one epoll: a few thousand POSTs a second on one core, so that the load leaves the other to what is
tested. What a board does when it gets no 200 is told by its kind (`ledger.Device`).
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import random
import re
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plantkeeper_hil.errors import FaultRunError
from plantkeeper_hil.faults.ledger import Device, Ledger, Sent, reading_of

PATH = "/sensor-data"
FINAL = {400, 404, 405, 413, 422}  # to a good reading, these are a bug of the gateway
RETRY_S = (0.02, 0.1)  # boards wait longer; a load presses
POLL_S = 0.02
TICK_S = 0.05
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)(?:\r\n|$)")  # in exactly this case: boards compare so


def request_of(sent: Sent, host: str) -> bytes:
    """A reading's POST, as its kind of board writes it (tests/contract)."""
    if sent.key is None:
        head = f"POST {PATH} HTTP/1.1\r\nUser-Agent: Arduino/2.2.0\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(sent.body)}\r\n\r\n"
    else:
        head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: PlantKeeper/0.1.0\r\n"
        head += f'Content-Type: application/json\r\nIdempotency-Key: "{sent.key}"\r\n'
        head += f"Content-Length: {len(sent.body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + sent.body


def status_of(answer: bytes) -> int | None:
    """The status of an answer, once all of it is there; None before."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status, length = STATUS.match(head), LENGTH.search(head)
    if not end or status is None or length is None or len(body) < int(length[1]):
        return None
    return int(status[1])


@dataclass(slots=True)
class _Post:
    """A POST on its way."""

    connection: socket.socket
    board: _Board
    sent: Sent
    request: bytes
    deadline_s: float
    answer: bytes = b""


@dataclass(slots=True)
class _Board:
    device: Device
    number: int = 0
    again: Sent | None = None


class Load:
    """The boards. Nothing is sent before `allow`.

    Args:
        gateways: where gateways are, now; asked for each attempt, which goes to one after the other.
        devices: the boards.
        seed: of the order in which they start, and of their pauses.
        answer_timeout_s: a board that has waited so long for its answer gives the attempt up.
    """

    def __init__(
        self,
        gateways: Callable[[], Sequence[tuple[str, int]]],
        devices: Sequence[Device],
        *,
        seed: str,
        answer_timeout_s: float,
    ) -> None:
        self.ledger = Ledger()
        self.answers: Counter[str] = Counter()
        self.acknowledged = 0
        self._gateways, self._attempts = gateways, 0
        self._random = random.Random(seed)
        self._answer_timeout_s = answer_timeout_s
        boards = [_Board(device) for device in devices]
        self._random.shuffle(boards)
        self._ready: deque[_Board] = deque(boards)
        self._pausing: list[tuple[float, int, _Board]] = []
        self._posts: dict[int, _Post] = {}
        self._open = 0  # readings that are not acknowledged yet and will be tried until they are
        self._limit = 0
        self._stopping = False
        self._error: str | None = None
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """Attempts that were not answered 200."""
        return self.answers.total() - self.answers["200"]

    def allow(self, acknowledged: int) -> None:
        """Go on until so many readings are acknowledged in all; then the boards idle."""
        self._limit = max(self._limit, acknowledged)
        os.write(self._wake_write, b"\0")

    def wait(self, acknowledged: int, *, timeout_s: float) -> None:
        """Wait until so many readings are acknowledged in all.

        Raises:
            FaultRunError: they were not in time, or the gateway refused a good reading.
        """
        end_s = time.monotonic() + timeout_s
        while self.acknowledged < acknowledged:
            self.check()
            if time.monotonic() > end_s:
                raise FaultRunError(
                    f"{self.acknowledged} of {acknowledged} readings were acknowledged within {timeout_s:g} s; "
                    f"answers so far: {dict(self.answers)}; see the gateway's log"
                )
            time.sleep(POLL_S)
        self.check()

    def check(self) -> None:
        """Make sure that the load goes well.

        Raises:
            FaultRunError: the gateway refused a good reading, or the load itself broke.
        """
        if self._error is not None:
            raise FaultRunError(self._error)

    def stop(self) -> Ledger:
        """End it; what is on its way counts as sent and not acknowledged."""
        if not self._stopping:
            self._stopping = True
            os.write(self._wake_write, b"\0")
            self._thread.join()
            for post in self._posts.values():
                post.connection.close()
            self._posts.clear()
            self._epoll.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
        return self.ledger

    def _run(self) -> None:
        try:
            while not self._stopping and self._error is None:
                self._turn()
        except Exception as error:  # to be told to whoever waits
            self._error = f"the load broke: {error!r}"

    def _turn(self) -> None:
        now_s = time.monotonic()
        while self._pausing and self._pausing[0][0] <= now_s:
            self._post(heapq.heappop(self._pausing)[2], now_s)
        while self._ready and self.acknowledged + self._open < self._limit:
            self._open += 1
            self._post(self._ready.popleft(), now_s)
        for descriptor, event in self._epoll.poll(TICK_S if self._posts or self._pausing else 10 * TICK_S):
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)
            elif descriptor in self._posts:
                self._progress(self._posts[descriptor], event)
        if self._posts:
            self._give_up_late(time.monotonic())

    def _give_up_late(self, now_s: float) -> None:
        for post in list(self._posts.values()):  # in the order of their deadlines
            if post.deadline_s > now_s:
                break
            self._finish(post, "timeout")

    def _post(self, board: _Board, now_s: float) -> None:
        """Begin the board's next attempt."""
        sent = board.again
        if sent is None:
            board.number += 1
            sent = reading_of(board.device, board.number)
            self.ledger.add(sent)
        sent.posts += 1
        connection = socket.socket()
        connection.settimeout(0)  # never block
        gateways = self._gateways()
        self._attempts += 1
        address = gateways[self._attempts % len(gateways)]
        request = request_of(sent, f"{address[0]}:{address[1]}")
        post = _Post(connection, board, sent, request, now_s + self._answer_timeout_s)
        descriptor = connection.fileno()
        self._posts[descriptor] = post
        self._epoll.register(descriptor, select.EPOLLOUT)
        problem = connection.connect_ex(address)
        if problem not in (0, errno.EINPROGRESS):
            self._finish(post, errno.errorcode.get(problem, "connect").lower())

    def _progress(self, post: _Post, event: int) -> None:
        try:
            if event & select.EPOLLOUT and not event & select.EPOLLERR:
                post.connection.send(post.request)  # below a segment: goes out whole
                self._epoll.modify(post.connection.fileno(), select.EPOLLIN)
                return
            data = post.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(post, errno.errorcode.get(error.errno or 0, "broken").lower())
            return
        post.answer += data
        status = status_of(post.answer)
        if status is not None:
            self._finish(post, str(status))
        elif not data:
            self._finish(post, "closed")

    def _finish(self, post: _Post, outcome: str) -> None:
        descriptor = post.connection.fileno()
        del self._posts[descriptor]
        with contextlib.suppress(OSError):
            self._epoll.unregister(descriptor)
        post.connection.close()
        self.answers[outcome] += 1
        board, sent = post.board, post.sent
        if outcome == "200":
            sent.acknowledged = True
            board.again = None
            self._open -= 1
            self.acknowledged += 1
            self._ready.append(board)
            return
        if outcome.isdecimal() and int(outcome) in FINAL:
            self._error = f"the gateway refused a good reading with {outcome}: {sent.body!r} got {post.answer!r}"
        board.again = sent if board.device.keyed else None
        again_s = time.monotonic() + self._random.uniform(*RETRY_S)
        heapq.heappush(self._pausing, (again_s, board.device.id, board))
