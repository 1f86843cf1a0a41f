"""The relay between boards and gateway: any bytes in any portions pass unchanged and are recorded."""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.traffic.connection import Connection, Instant, Kind, Source, as_json, from_json
from plantkeeper_hil.traffic.pair import WAITING_BYTES, Pair
from plantkeeper_hil.traffic.relay import Relay

DEADLINE_S = 10.0
BOARD, GATEWAY = Source.BOARD, Source.GATEWAY
MUCH = 1 << 26
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Place:
    """A relay, and the gateway behind it."""

    def __init__(self, relay: Relay, gateway: socket.socket) -> None:
        self.relay, self._gateway = relay, gateway

    def connect(self) -> dict[Source, socket.socket]:
        """Both ends of a new connection."""
        board = socket.create_connection(self.relay.address, timeout=DEADLINE_S)
        gateway, _ = self._gateway.accept()
        gateway.settimeout(DEADLINE_S)
        return {BOARD: board, GATEWAY: gateway}

    def last(self) -> Connection:
        """What is recorded of the newest connection, once all are over."""
        assert self.relay.settle(DEADLINE_S)
        return self.relay.connections()[-1]


@contextlib.contextmanager
def place_with(relay_counts: Iterator[int] | None = None) -> Iterator[Place]:
    """Ports of our own."""
    start = datetime(2026, 11, 26, tzinfo=UTC)

    def now() -> Instant:
        n = next(relay_counts) if relay_counts else 0
        return Instant(float(n), start + timedelta(seconds=n))

    with socket.create_server(("127.0.0.1", 0), backlog=300) as gateway:
        gateway.settimeout(DEADLINE_S)
        listener = socket.create_server(("127.0.0.1", 0), backlog=300)
        with Relay(listener, to=gateway.getsockname(), now=now) as relay:
            yield Place(relay, gateway)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with place_with() as made:
        yield made


def read(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := end.recv(size - len(data))):
        data += more
    return data


def ask(address: tuple[str, int]) -> bytes:
    """What a board reads that says nothing; its reset may come while it still connects."""
    with socket.create_connection(address, timeout=DEADLINE_S) as board:
        return board.recv(1)


def close(ends: dict[Source, socket.socket]) -> None:
    for end in ends.values():
        end.close()


sources = st.sampled_from(Source)


@given(st.lists(st.tuples(sources, st.binary(min_size=1, max_size=3000)), max_size=12), sources)
def test_any_bytes_in_any_portions_pass_unchanged_and_are_recorded(
    place: Place, portions: list[tuple[Source, bytes]], first_to_end: Source
) -> None:
    ends = place.connect()
    sent = {BOARD: b"", GATEWAY: b""}
    got = {BOARD: b"", GATEWAY: b""}
    for source, data in portions:
        ends[source].sendall(data)
        sent[source] += data
        other = GATEWAY if source is BOARD else BOARD
        got[source] += read(ends[other], len(data))
    last_to_end = GATEWAY if first_to_end is BOARD else BOARD
    for source, other in ((first_to_end, last_to_end), (last_to_end, first_to_end)):
        ends[source].shutdown(socket.SHUT_WR)
        assert ends[other].recv(1) == b""
    close(ends)
    recorded = place.last()
    assert got == sent
    assert (recorded.sent, recorded.received) == (sent[BOARD], sent[GATEWAY])
    assert recorded.ended_by is first_to_end
    assert [p.source for p in recorded.passages if p.kind is Kind.END] == [first_to_end, last_to_end]
    assert from_json(as_json(recorded)) == recorded


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=5), st.binary(min_size=1, max_size=2000))
def test_who_ended_its_side_still_gets_the_answer(place: Place, portions: list[bytes], answer: bytes) -> None:
    ends = place.connect()
    for data in portions:
        ends[BOARD].sendall(data)
    ends[BOARD].shutdown(socket.SHUT_WR)
    assert read(ends[GATEWAY], 1 << 20) == b"".join(portions)  # to its end
    ends[GATEWAY].sendall(answer)
    ends[GATEWAY].close()
    assert read(ends[BOARD], 1 << 20) == answer
    close(ends)
    assert place.last().received == answer


@pytest.mark.parametrize("breaker", list(Source))
def test_a_reset_is_passed_on_as_one(place: Place, breaker: Source) -> None:
    ends = place.connect()
    other = GATEWAY if breaker is BOARD else BOARD
    ends[breaker].sendall(b"half")
    assert read(ends[other], 4) == b"half"
    ends[breaker].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    ends[breaker].close()
    with pytest.raises(ConnectionResetError):
        ends[other].recv(1)
    close(ends)
    recorded = place.last()
    assert [(p.source, p.kind) for p in recorded.passages] == [(breaker, Kind.DATA), (breaker, Kind.RESET)]


def test_a_gateway_that_refuses_is_a_reset_and_later_boards_are_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with Relay(socket.create_server(("127.0.0.1", 0)), to=address) as relay:
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                ask(relay.address)
        assert relay.settle(DEADLINE_S)
        assert [c.passages[-1].kind for c in relay.connections()] == [Kind.RESET] * 2
        with socket.create_server(address) as gateway:
            board = socket.create_connection(relay.address, timeout=DEADLINE_S)
            end, _ = gateway.accept()
            board.sendall(b"POST")
            assert read(end, 4) == b"POST"
            close({BOARD: board, GATEWAY: end})


def test_many_boards_at_once_each_get_their_own_bytes(place: Place) -> None:
    before = len(place.relay.connections())
    boards = [socket.create_connection(place.relay.address, timeout=DEADLINE_S) for _ in range(200)]
    for n, board in enumerate(boards):
        board.sendall(b"board %03d" % n)
    for _ in boards:
        gateway, _ = place._gateway.accept()
        with gateway:
            gateway.sendall(b"for " + read(gateway, 9))
    for n, board in enumerate(boards):
        with board:
            assert read(board, 100) == b"for board %03d" % n
    assert place.relay.settle(DEADLINE_S)
    recorded = place.relay.connections(after=before)
    assert (
        {c.received for c in recorded}
        == {b"for " + c.sent for c in recorded}
        == {b"for board %03d" % n for n in range(200)}
    )


def test_who_does_not_read_is_waited_for_and_keeps_nobody_up(place: Place) -> None:
    ends = place.connect()
    ends[BOARD].settimeout(0.3)
    sent = 0
    with contextlib.suppress(TimeoutError):  # the kernel's buffers and the relay's are full by then
        while sent < MUCH:
            sent += ends[BOARD].send(bytes(WAITING_BYTES))
    assert sent < MUCH
    other = place.connect()
    other[BOARD].sendall(b"meanwhile")
    assert read(other[GATEWAY], 9) == b"meanwhile"
    assert len(place.relay.connections()[-2].sent) < sent + WAITING_BYTES
    close(other)
    ends[BOARD].shutdown(socket.SHUT_WR)
    assert len(read(ends[GATEWAY], 2 * MUCH)) == sent
    close(ends)
    assert place.relay.settle(DEADLINE_S)


def test_every_passage_has_both_clocks() -> None:
    with place_with(itertools.count(1)) as place:
        ends = place.connect()
        for data in (b"a", b"b"):
            ends[BOARD].sendall(data)
            read(ends[GATEWAY], 1)
        close(ends)
        recorded = place.last()
    assert recorded.opened == Instant(1.0, datetime(2026, 11, 26, 0, 0, 1, tzinfo=UTC))
    assert [p.at.monotonic_s for p in recorded.passages[:2]] == [2.0, 3.0]
    assert [p.at.wall.second for p in recorded.passages[:2]] == [2, 3]
    assert recorded.sent_monotonic_s == 3.0


def test_closing_it_closes_what_is_open() -> None:
    with place_with() as place:
        ends = place.connect()
        place.relay.close()
        assert [end.recv(1) for end in ends.values()] == [b"", b""]
        close(ends)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(place.relay.address, timeout=DEADLINE_S)


def test_what_its_thread_fails_of_is_told() -> None:
    def broken() -> Instant:
        raise RuntimeError("no clock")

    relay = Relay(socket.create_server(("127.0.0.1", 0)), to=("127.0.0.1", 9), now=broken)
    with contextlib.suppress(ConnectionResetError):
        assert ask(relay.address) == b""
    with pytest.raises(RuntimeError, match="no clock"):
        relay.close()


# ---- one connection, step by step --------------------------------------------------------------------------------


class Steps:
    """A pair between two ends whose kernel buffers are as small as they can be."""

    def __init__(self, connected: Callable[[], tuple[socket.socket, socket.socket]] = socket.socketpair) -> None:
        (self.board, board), (self.gateway, gateway) = (connected() for _ in range(2))
        for end in (self.board, board, self.gateway, gateway):
            end.settimeout(0)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.pair = Pair(board, gateway, "board", Instant.now(), Instant.now)
        self.sides = dict(zip(Source, self.pair.sides, strict=True))
        self.ends = {BOARD: self.board, GATEWAY: self.gateway}
        self.sent, self.got = {BOARD: b"", GATEWAY: b""}, {BOARD: b"", GATEWAY: b""}
        self.ended: set[Source] = set()

    def serve(self, source: Source) -> None:
        """What the relay does about a side that the selector names."""
        side = self.sides[source]
        for events, act in ((selectors.EVENT_WRITE, self.pair.write), (selectors.EVENT_READ, self.pair.read)):
            if side.wanted & events and not self.pair.over:
                act(side)

    def send(self, source: Source, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self.sent[source] += data[: self.ends[source].send(data)]

    def receive(self, source: Source, size: int) -> None:
        """What came from the other side, at most so much."""
        with contextlib.suppress(BlockingIOError):
            data = self.ends[source].recv(size)
            other = GATEWAY if source is BOARD else BOARD
            self.got[other] += data
            if not data:
                self.ended.add(other)

    def close(self) -> None:
        for end in (*self.ends.values(), *(side.socket for side in self.pair.sides)):
            end.close()


steps = st.one_of(
    st.tuples(st.just("send"), sources, st.integers(1, 9000)),
    st.tuples(st.just("receive"), sources, st.integers(1, 9000)),
    st.tuples(st.just("serve"), sources, st.just(0)),
)


@given(st.lists(steps, max_size=60), st.binary(min_size=1, max_size=50))
def test_in_any_order_of_steps_nothing_is_lost_and_ends_come_last(
    order: list[tuple[str, Source, int]], pattern: bytes
) -> None:
    walk = Steps()
    for what, source, size in order:
        if what == "send":
            walk.send(source, (pattern * size)[:size])
        elif what == "receive":
            walk.receive(source, size)
        else:
            walk.serve(source)
    for end in walk.ends.values():
        end.shutdown(socket.SHUT_WR)
    for _ in range(1000):  # each round moves something, or all is over
        for source in Source:
            walk.serve(source)
            walk.receive(source, 100)
    connection = walk.pair.connection
    over, ended, sent, got = walk.pair.over, walk.ended, walk.sent, walk.got
    walk.close()
    assert got == sent
    assert over
    assert ended == set(Source)
    assert (connection.sent, connection.received) == (sent[BOARD], sent[GATEWAY])
    assert Kind.RESET not in {passage.kind for passage in connection.passages}


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def test_a_reset_is_no_end_for_who_has_not_read_all() -> None:
    """Bytes wait in the relay, since the kernel takes no more for this side: they are cut off, which must show."""
    walk = Steps(tcp_pair)
    walk.serve(GATEWAY)
    while not walk.sides[GATEWAY].waiting:
        walk.send(BOARD, bytes(1000))
        walk.serve(BOARD)
    assert walk.sides[BOARD].wanted & selectors.EVENT_READ
    walk.board.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    walk.board.close()
    walk.pair.read(walk.sides[BOARD])
    assert walk.pair.over
    for side in walk.pair.sides:
        side.socket.close()
    walk.gateway.settimeout(DEADLINE_S)
    with pytest.raises(ConnectionResetError):
        read(walk.gateway, MUCH)
    walk.close()
