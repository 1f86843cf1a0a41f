"""What a board is to a test, and the half of it that all boards share: waiting, asking, understanding replies."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from types import TracebackType
from typing import Protocol, Self, TypeVar

from plantkeeper_hil.board import secrets
from plantkeeper_hil.board.errors import BoardError, BoardTimeoutError, CommandError
from plantkeeper_hil.board.identity import Identity
from plantkeeper_hil.board.lines import ConsoleLine, show
from plantkeeper_sim.events import Event, EventLineError, parse_event

REPLY_TIMEOUT_S = 10.0  # the firmware is busy for up to 6 s while a gateway does not answer (docs/console.md)
BOOT_TIMEOUT_S = 10.0
T = TypeVar("T")

ERROR_QUERY = "SYST:ERR?"
_ERROR_REPLY = re.compile(r'(?P<number>-?\d+),"(?P<text>[^"]*)"')


class Reset(Enum):
    """How a board is started anew."""

    DTR = "dtr"
    TOUCH_1200 = "touch1200"
    POWER = "power"
    WATCHDOG = "watchdog"


class Capability(Enum):
    """What a test may need of a board beyond its console (`@pytest.mark.needs("power_cycle")`)."""

    NETWORK_FAULT = "network_fault"
    POWER_CYCLE = "power_cycle"
    SENSOR_FAULT = "sensor_fault"
    VIRTUAL_TIME = "virtual_time"


@dataclass(frozen=True)
class Call:
    """Something that was done to a board.

    Args:
        after_lines: how many lines it had said by then.
        time_s: on the board's clock.
        what: what was written, without a key in it, or `reset` and how.
    """

    after_lines: int
    time_s: float
    what: str


class Board(Protocol):
    """A board that runs the firmware. `tests/conformance/board` says what each implementation must do."""

    @property
    def name(self) -> str:
        """The board's name in messages."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond its console."""

    @property
    def lines(self) -> Sequence[ConsoleLine]:
        """All lines so far."""

    @property
    def identity(self) -> Identity:
        """What it says of itself, asked anew."""

    def events(self, name: str | None = None) -> list[Event]:
        """Events so far, of one name or all."""

    def expect(self, pattern: str | re.Pattern[str], *, timeout_s: float) -> re.Match[str]:
        """Wait for a line that matches, among those that no earlier `expect` passed."""

    def scpi(self, command: str, *, timeout_s: float = REPLY_TIMEOUT_S, check: bool = True) -> str:
        """Send a command; the reply to a query, "" for any other."""

    def reset(self, how: Reset, *, timeout_s: float = BOOT_TIMEOUT_S) -> Event:
        """Start it anew; the `!boot` event that it then says."""

    def close(self) -> None:
        """Let go of it."""


class ConsoleBoard(ABC):
    """The shared half of a `Board`: everything that needs no more than a clock, lines and a way to write."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[ConsoleLine] = []
        self._passed = 0  # lines that an `expect` has gone by
        self.calls: list[Call] = []  # what was done to it, for a cassette

    @property
    def name(self) -> str:
        """The board's name in messages."""
        return self._name

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond its console."""

    @abstractmethod
    def _now_s(self) -> float:
        """The board's clock: it never goes back."""

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Send bytes to the board."""

    @abstractmethod
    def _wait_for_lines(self, known: int, deadline_s: float) -> None:
        """Come back when there are more than `known` lines, or at the deadline; raise where no more can come."""

    @abstractmethod
    def _start_anew(self, how: Reset) -> None:
        """Reset the board, or raise UnsupportedError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the board. Closing twice is allowed."""

    def _unfinished(self) -> str:
        """What came of a line that has not ended."""
        return ""

    def _timeout_error(self, message: str) -> BoardError:
        """The error for a line that did not come."""
        return BoardTimeoutError(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"board {self._name}"

    @property
    def lines(self) -> Sequence[ConsoleLine]:
        """All lines so far."""
        return self._lines

    def events(self, name: str | None = None) -> list[Event]:
        """Events so far, of one name or all; their cycles are the board's clock in 16 MHz cycles.

        A line that a reset cut, which is one before `!boot`, is none.

        Raises:
            BoardError: another line begins as an event does and is none.
        """
        lines = list(self._lines)
        found = []
        for line, following in zip_longest(lines, lines[1:]):
            try:
                event = self._event(line)
            except BoardError:
                if following is not None and _is_boot(following):
                    continue
                raise
            if event is not None and name in {None, event.name}:
                found.append(event)
        return found

    def expect(self, pattern: str | re.Pattern[str], *, timeout_s: float) -> re.Match[str]:
        """Wait for a line in which the pattern is found, among those that no earlier `expect` passed.

        A reset passes all lines up to its `!boot`; `scpi` passes none.

        Args:
            pattern: a regular expression.
            timeout_s: on the board's clock (a real board's is the host's monotonic clock).

        Raises:
            BoardTimeoutError: no such line; shows the last lines with their times.
            BoardGoneError: the port was closed meanwhile.
        """
        compiled = re.compile(pattern)

        def look(line: ConsoleLine) -> re.Match[str] | None:
            return compiled.search(line.text)

        found, self._passed = self._await(look, self._passed, timeout_s, f"a line like {compiled.pattern!r}")
        return found

    def scpi(self, command: str, *, timeout_s: float = REPLY_TIMEOUT_S, check: bool = True) -> str:
        """Send a command and wait until the board has carried it out.

        Args:
            command: one line of docs/console.md, such as `READ?` or `CONF:INT 60`.
            check: ask `SYST:ERR?` afterwards. Without, a command that is no query is not waited for.

        Returns:
            The reply to a query, "" for any other command.

        Raises:
            CommandError: the board refused it, or failed at it; has SCPI's number and the reply, if there was one.
            BoardTimeoutError: no reply.
        """
        start = len(self._lines)
        shown = secrets.hidden(command)
        what = f"a reply to {shown!r}"
        if not check or command.strip().upper() == ERROR_QUERY:
            self._send(f"{command}\n".encode("ascii"))
            return self._await(_reply, start, timeout_s, what)[0] if "?" in command else ""
        self._send(f"{command}\n{ERROR_QUERY}\n".encode("ascii"))
        end, _ = self._await(_error, start, timeout_s, what)
        replies = [line.text for line in self._lines[start:] if not line.is_event]
        reply = "" if _ERROR_REPLY.fullmatch(replies[0]) else replies[0]
        number, text = int(end["number"]), end["text"]
        if number:
            raise CommandError(
                f"{self}: {shown!r} gave {number}, {text!r}; what that means is in docs/console.md",
                number=number,
                text=text,
                reply=reply,
            )
        return reply

    def reset(self, how: Reset, *, timeout_s: float = BOOT_TIMEOUT_S) -> Event:
        """Start the board anew and wait until it says so.

        Raises:
            UnsupportedError: this board cannot be started that way.
            BoardTimeoutError: it did not say `!boot`.
        """
        start = len(self._lines)
        call = Call(start, self._now_s(), f"reset {how.value}")
        self._start_anew(how)
        self.calls.append(call)

        def boot(line: ConsoleLine) -> Event | None:
            return self._event(line) if _is_boot(line) else None

        event, self._passed = self._await(boot, start, timeout_s, f"!boot after a reset by {how.value}")
        return event

    @property
    def identity(self) -> Identity:
        """What the board says of itself, asked anew.

        Raises:
            BoardError: the reply is no identity of this firmware.
        """
        reply = self.scpi("*IDN?", check=False)
        try:
            return Identity.parse(reply)
        except ValueError as error:
            raise BoardError(f"{self}: {error}; flash this project's firmware (hil flash)") from error

    def _send(self, data: bytes) -> None:
        call = Call(len(self._lines), self._now_s(), secrets.hidden(data.decode("ascii")))
        self._write(data)
        self.calls.append(call)

    def _await(self, look: Callable[[ConsoleLine], T | None], start: int, timeout_s: float, what: str) -> tuple[T, int]:
        """The first thing that `look` finds in lines from number `start` on, and how many lines are gone by then."""
        deadline_s = self._now_s() + timeout_s
        at = start
        while True:
            while at < len(self._lines):
                line = self._lines[at]
                at += 1
                found = look(line)
                if found is not None:
                    return found, at
            if self._now_s() >= deadline_s:
                raise self._timeout_error(
                    f"{self}: no sign of {what} within {timeout_s:g} s; the last lines:\n"
                    f"{show(self._lines, self._unfinished())}"
                )
            self._wait_for_lines(at, deadline_s)

    def _event(self, line: ConsoleLine) -> Event | None:
        try:
            return parse_event(line.text, round(line.time_s * 16_000_000))
        except EventLineError as error:
            raise BoardError(f"{self}: {error}; bytes got lost on the line, or another firmware runs") from error


def _is_boot(line: ConsoleLine) -> bool:
    return line.text.startswith("!boot ")


def _reply(line: ConsoleLine) -> str | None:
    return None if line.is_event else line.text


def _error(line: ConsoleLine) -> re.Match[str] | None:
    return _ERROR_REPLY.fullmatch(line.text)
