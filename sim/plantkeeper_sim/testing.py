"""For tests of parts: a clock that is moved by hand, a wire with both its ends, a TCP peer on the host.

A part sees only what `plantkeeper_sim.wires` has, so these stand for the machine. docs/parts.md shows a test.
"""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Self


class DueCall:
    """A call that is due later."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self.cancelled = True


class ManualClock:
    """Virtual time that goes on when the test says so."""

    clock_hz = 16_000_000

    def __init__(self) -> None:
        self.cycles = 0
        self._due: list[tuple[int, int, DueCall]] = []
        self._order = count()

    def call_at(self, cycles: int, function: Callable[[], None]) -> DueCall:
        """Call `function()` when the cycle is reached."""
        call = DueCall(function)
        heapq.heappush(self._due, (cycles, next(self._order), call))
        return call

    def call_in(self, seconds: float, function: Callable[[], None]) -> DueCall:
        """Call `function()` after so many seconds."""
        return self.call_at(self.cycles + round(seconds * self.clock_hz), function)

    def advance(self, seconds: float) -> None:
        """Let virtual time go by, and what falls due happen."""
        end = self.cycles + round(seconds * self.clock_hz)
        while self._due and self._due[0][0] <= end:
            cycles, _, call = heapq.heappop(self._due)
            self.cycles = max(self.cycles, cycles)
            if not call.cancelled:
                call.function()
        self.cycles = end

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return self.cycles / self.clock_hz


class LooseWire:
    """A wire between a part and a program; `program` is the program's side."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._outside: bool | None = None
        self._program: bool | None = None
        self._watchers: list[Callable[[bool, int], None]] = []
        self.edges: list[tuple[int, bool]] = []

    @property
    def level(self) -> bool:
        """Level on the wire: the program wins over the outside; a loose wire is low."""
        if self._program is not None:
            return self._program
        return bool(self._outside)

    def drive(self, level: bool | None) -> None:  # noqa: FBT001 - a logic level
        """The part's end: drive it, or let go with None."""
        before = self.level
        self._outside = level
        if self.level != before:
            self.edges.append((self._clock.cycles, self.level))

    def watch(self, function: Callable[[bool, int], None]) -> None:
        """Hear of the program's changes."""
        self._watchers.append(function)

    def program(self, level: bool | None) -> None:  # noqa: FBT001 - a logic level
        """The program's end: an output of that level, or an input with None."""
        before = self.level
        self._program = level
        if self.level != before:
            for watcher in self._watchers:
                watcher(self.level, self._clock.cycles)


class Peer:
    """A listening TCP socket on the host."""

    def __init__(self) -> None:
        self.accepted: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def accept(self) -> socket.socket:
        """The next connection."""
        self.listener.settimeout(5)
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        self.accepted.append(connection)
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for connection in self.accepted:
            connection.close()
        self.listener.close()
