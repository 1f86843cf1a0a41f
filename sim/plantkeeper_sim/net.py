"""The emulated network: a chip's TCP connections on host sockets, under virtual time (docs/architecture.md section 10).

Its datagrams stay within the emulated network (`Network.lan`).

Virtual time stands still while the peer owes an answer: `latency_s` after the last byte sent, an event waits on
the host socket in wall-clock time, at most `patience_s`, until the answer is whole (the peer closed, or fell
quiet), and hands it over at that cycle. So what the firmware sees depends on the answers, not on how fast they came.

A live network is for a board in real time: it waits for nobody, looks every `POLL_S`, and hands over what has come.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Protocol

from plantkeeper_sim.errors import SimError
from plantkeeper_sim.lan import Lan
from plantkeeper_sim.wires import Cancellable, Clock

ROUND_TRIP_S = 0.001  # SYN to SYN/ACK, data to ACK
LATENCY_S = 0.005
PATIENCE_S = 10.0
QUIET_S = 0.25  # wall clock; only a peer that answers and keeps the connection costs this
POLL_S = 0.002  # of a live network
CHUNK = 65536
NO_ADDRESS = IPv4Address(0)


class NetworkError(SimError):
    """The emulated network was asked for what it does not have."""


class Endpoint(Protocol):
    """The chip's end of a connection: what the network tells it."""

    def connected(self) -> None:
        """The peer accepted."""

    def refused(self) -> None:
        """The peer answered the SYN with a reset."""

    def acknowledged(self) -> None:
        """All that was sent has been acknowledged."""

    def received(self) -> None:
        """Bytes wait: fetch them with `Connection.read`."""

    def finished(self) -> None:
        """The peer closed its side, and all its bytes were read."""

    def reset(self) -> None:
        """The peer broke the connection."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one connection. Faults combine: every field acts by itself.

    Args:
        unreachable: nobody answers the SYN.
        refuse: the SYN is answered with a reset.
        lose_request: what the board sends is acknowledged and never reaches the peer.
        swallow_answer: the peer gets the request, its answer never comes back.
        extra_latency_s: virtual seconds by which the answer is late.
        answer_limit: the answer is cut after so many bytes, and the connection closed.
        trickle_bytes: the answer comes in pieces of so many bytes, `trickle_gap_s` apart.
    """

    unreachable: bool = False
    refuse: bool = False
    lose_request: bool = False
    swallow_answer: bool = False
    extra_latency_s: float = 0.0
    answer_limit: int | None = None
    trickle_bytes: int | None = None
    trickle_gap_s: float = 0.05


NO_FAULT = Fault()


@dataclass
class Exchange:
    """One TCP connection, both ways.

    Args:
        index: from 1, in the order of the chip's connects.
        opened_cycles: when the chip asked for the connection.
        sent: what the chip sent.
        sent_cycles: when its last byte was sent.
        sent_monotonic_s: the same on the host's monotonic clock.
        received: what the chip's receive buffer was given.
        received_cycles: when the last of that was given.
        source: the chip's own address at that time.
        outcome: how it stands: `opening`, `open`, `refused`, `finished` (peer), `closed` (chip), `reset`.
    """

    index: int
    address: IPv4Address
    port: int
    opened_cycles: int
    sent: bytearray = field(default_factory=bytearray)
    sent_cycles: int = 0
    sent_monotonic_s: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    received_cycles: int = 0
    source: IPv4Address = NO_ADDRESS
    outcome: str = "opening"


class Network:
    """What a board can reach.

    Args:
        clock: virtual time of the board.
        latency_s: virtual seconds between the last byte sent and the answer.
        patience_s: wall-clock seconds that virtual time waits for an answer at most.
        live: virtual time goes on while the peer owes an answer.
    """

    def __init__(
        self, clock: Clock, *, latency_s: float = LATENCY_S, patience_s: float = PATIENCE_S, live: bool = False
    ) -> None:
        self.clock = clock
        self.live = live
        self.latency_s = latency_s
        self.patience_s = patience_s
        self.lan = Lan(clock)
        self.exchanges: list[Exchange] = []
        self.fault_of: Callable[[int], Fault] = lambda _index: NO_FAULT
        self._routes: dict[tuple[IPv4Address, int], tuple[str, int]] = {}
        self._open: list[Connection] = []

    def map(self, address: str, port: int, *, to: tuple[str, int]) -> None:
        """Let `address:port` of the emulated network be the host's `to`; an earlier mapping is replaced."""
        self._routes[(IPv4Address(address), port)] = to

    def unmap(self, address: str, port: int) -> None:
        """Nobody is there any more.

        Raises:
            NetworkError: nobody was.
        """
        if self._routes.pop((IPv4Address(address), port), None) is None:
            raise NetworkError(f"{address}:{port} is not mapped; mapped are: {self._names()}")

    def connect(self, address: IPv4Address, port: int, endpoint: Endpoint, *, source: IPv4Address) -> Connection | None:
        """Open a connection for the chip; None where nobody answers."""
        exchange = Exchange(len(self.exchanges) + 1, address, port, self.clock.cycles, source=source)
        self.exchanges.append(exchange)
        fault = self.fault_of(exchange.index)
        target = self._routes.get((address, port))
        if target is None or fault.unreachable:
            exchange.outcome = "unreachable"
            return None
        connection = Connection(self, exchange, fault, endpoint)
        self._open.append(connection)
        connection.open(target)
        return connection

    def close(self) -> None:
        """Let go of every host socket."""
        for connection in list(self._open):
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """Called by a connection that is over."""
        if connection in self._open:
            self._open.remove(connection)

    def _names(self) -> str:
        return ", ".join(f"{address}:{port}" for address, port in sorted(self._routes)) or "none"


class Connection:
    """One connection of the chip. Made by `Network.connect`."""

    def __init__(self, network: Network, exchange: Exchange, fault: Fault, endpoint: Endpoint) -> None:
        self._network, self._exchange, self._fault, self._endpoint = network, exchange, fault, endpoint
        self._clock = network.clock
        self._socket: socket.socket | None = None
        self._answer: Cancellable | None = None
        self._waiting = bytearray()  # arrived, not yet read by the chip
        self._ending: Callable[[], None] | None = None  # what follows once all is read

    def open(self, target: tuple[str, int]) -> None:
        """Connect on the host; the chip hears of it a round trip later."""
        if self._fault.refuse:
            self._later(ROUND_TRIP_S, self._refused)
            return
        try:
            self._socket = socket.create_connection(target, timeout=self._network.patience_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self._later(ROUND_TRIP_S, self._refused)
        else:
            self._exchange.outcome = "open"
            self._later(ROUND_TRIP_S, self._endpoint.connected)

    def send(self, data: bytes) -> None:
        """Bytes from the chip to the peer."""
        exchange = self._exchange
        sent_monotonic_s = time.monotonic()  # before: the peer may have worked by the time that sendall returns
        if not self._fault.lose_request and self._socket is not None:
            try:
                self._socket.sendall(data)
            except OSError:
                self._later(ROUND_TRIP_S, self._broken)
                return
        exchange.sent += data
        exchange.sent_cycles, exchange.sent_monotonic_s = self._clock.cycles, sent_monotonic_s
        self._later(ROUND_TRIP_S, self._endpoint.acknowledged)
        self._expect(self._network.latency_s)

    def read(self, limit: int) -> bytes:
        """Bytes that arrived, at most `limit`; then, once all are read, the peer's close."""
        data = bytes(self._waiting[:limit])
        del self._waiting[:limit]
        if data:
            self._exchange.received += data
            self._exchange.received_cycles = self._clock.cycles
        if not self._waiting and self._ending is not None:
            ending, self._ending = self._ending, None
            self._later(0, ending)
        return data

    def finish(self) -> None:
        """The chip's FIN; the peer's own follows."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                self._later(ROUND_TRIP_S, self._broken)
                return
        self._expect(ROUND_TRIP_S)

    def abort(self) -> None:
        """Forget the connection, as the chip does on CLOSE."""
        if self._answer is not None:
            self._answer.cancel()
        if self._exchange.outcome in {"opening", "open"}:
            self._exchange.outcome = "closed"
        self._release()

    def _expect(self, after_s: float) -> None:
        """The peer owes bytes; whatever it owed before is owed then too."""
        if self._answer is not None:
            self._answer.cancel()
        if self._socket is not None and not self._fault.lose_request:
            self._answer = self._clock.call_in(after_s + self._fault.extra_latency_s, self._await_answer)

    def _await_answer(self) -> None:
        """Let wall-clock time pass until the peer has answered; virtual time stands still, but in a live network."""
        self._answer = None
        if self._network.live:
            answer, ending = self._arrived()
            if ending is None:
                self._answer = self._clock.call_in(POLL_S, self._await_answer)
                if not answer:
                    return
        else:
            answer, ending = self._collect()
        if self._fault.swallow_answer:
            return
        limit = self._fault.answer_limit
        if limit is not None and len(answer) + len(self._exchange.received) >= limit:
            answer, ending = answer[: max(0, limit - len(self._exchange.received))], self._finished
        self._ending = ending
        self._deliver(answer)

    def _deliver(self, answer: bytes) -> None:
        size = self._fault.trickle_bytes
        piece, rest = (answer, b"") if size is None else (answer[:size], answer[size:])
        ending = self._ending
        if rest:
            self._ending = None

            def next_piece() -> None:
                self._ending = ending
                self._deliver(rest)

            self._later(self._fault.trickle_gap_s, next_piece)
        self._waiting += piece
        if self._waiting:
            self._endpoint.received()
        elif self._ending is not None:
            self._ending = None
            if ending is not None:
                ending()

    def _collect(self) -> tuple[bytes, Callable[[], None] | None]:
        """Read the host socket until the peer closes, falls quiet, or patience runs out."""
        collected = bytearray()
        deadline_s = time.monotonic() + self._network.patience_s
        while self._socket is not None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            self._socket.settimeout(min(left_s, QUIET_S) if collected else left_s)
            try:
                data = self._socket.recv(CHUNK)
            except TimeoutError:
                break
            except OSError:
                return bytes(collected), self._broken
            if not data:
                return bytes(collected), self._finished
            collected += data
        return bytes(collected), None

    def _arrived(self) -> tuple[bytes, Callable[[], None] | None]:
        """What has come from the host socket, without waiting."""
        if self._socket is None:
            return b"", self._broken
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return b"", None
        except OSError:
            return b"", self._broken
        finally:
            self._socket.settimeout(self._network.patience_s)
        return data, None if data else self._finished

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Act after virtual time, unless the connection is gone by then."""

        def act() -> None:
            if self in self._network._open:
                action()

        self._clock.call_in(seconds, act)

    def _refused(self) -> None:
        self._exchange.outcome = "refused"
        self._release()
        self._endpoint.refused()

    def _finished(self) -> None:
        self._exchange.outcome = "finished"
        self._endpoint.finished()

    def _broken(self) -> None:
        self._exchange.outcome = "reset"
        self._release()
        self._endpoint.reset()

    def _release(self) -> None:
        self._network.forget(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
