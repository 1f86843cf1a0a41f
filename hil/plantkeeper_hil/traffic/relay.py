"""Stands between boards and the gateway, passes their bytes on unchanged, and records what went by.

One thread for all connections. An end (FIN) is passed on once all bytes before it were; a reset is passed on as a
reset; a gateway that refuses is a reset for the board, whose connection was accepted by then. While a side reads slowly
the other is not read from (pair.py says how much waits).
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from plantkeeper_hil.traffic.connection import Connection, Instant
from plantkeeper_hil.traffic.pair import Pair, Side


class Relay:
    """A running relay; a context manager, whose end closes all connections.

    Args:
        listener: where boards connect to; closed with the relay.
        to: address and port of the gateway.
        now: the clocks.
    """

    def __init__(
        self, listener: socket.socket, *, to: tuple[str, int], now: Callable[[], Instant] = Instant.now
    ) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listener, self._to, self._now = listener, to, now
        self._pairs: list[Pair] = []
        self._open: set[Pair] = set()
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        listener.settimeout(0)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where boards connect to."""
        return self.address[1]

    def connections(self, after: int = 0) -> list[Connection]:
        """What went by so far, in the order in which connections were opened, without the first `after`."""
        with self._changed:
            return [pair.connection for pair in self._pairs[after:]]

    def settle(self, timeout_s: float) -> bool:
        """Wait until no connection is open; whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_s)

    def close(self) -> None:
        """Close everything. Closing twice is allowed.

        Raises:
            BaseException: what its thread failed of, if it did.
        """
        if not self._closing:
            self._closing = True
            self._wake.send(b"!")
            self._thread.join()
            for end in (self._wake, self._woken, self._selector):
                end.close()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, events in self._selector.select():
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.data, Side):
                        self._serve(key.data, events)
        except BaseException as error:  # told by close()
            self._failure = error
        finally:
            self._listener.close()
            for pair in list(self._open):
                self._forget(pair)

    def _accept(self) -> None:
        opened = self._now()
        try:
            board, address = self._listener.accept()
        except OSError:  # it is gone by now
            return
        gateway = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for end in (board, gateway):
            end.settimeout(0)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(board, gateway, f"{address[0]}:{address[1]}", opened, self._now)
        with self._changed:
            self._pairs.append(pair)
            self._open.add(pair)
        gateway.connect_ex(self._to)  # how that went is told when it can be written to
        self._watch(pair)

    def _serve(self, side: Side, events: int) -> None:
        pair = side.pair
        if pair not in self._open:
            return  # ended by what was served before, in the same round
        with self._changed:  # whoever looks sees a passage whole
            if events & selectors.EVENT_WRITE:
                pair.write(side)
            if events & selectors.EVENT_READ and not pair.over:
                pair.read(side)
        if pair.over:
            self._forget(pair)
        else:
            self._watch(pair)

    def _watch(self, pair: Pair) -> None:
        for side in pair.sides:
            wanted = side.wanted
            if side.watched == wanted:
                continue
            if not wanted:
                self._selector.unregister(side.socket)
            elif side.watched:
                self._selector.modify(side.socket, wanted, side)
            else:
                self._selector.register(side.socket, wanted, side)
            side.watched = wanted

    def _forget(self, pair: Pair) -> None:
        for side in pair.sides:
            if side.watched:
                self._selector.unregister(side.socket)
                side.watched = 0
            side.socket.close()
        with self._changed:
            self._open.discard(pair)
            self._changed.notify_all()
