"""A board played from a cassette: it says and posts what was recorded, and insists that the same is done to it."""

from __future__ import annotations

from plantkeeper_hil.board import secrets
from plantkeeper_hil.board.base import BOOT_TIMEOUT_S, REPLY_TIMEOUT_S, Call, Capability, ConsoleBoard, Reset
from plantkeeper_hil.board.cassette import Cassette, CassetteError
from plantkeeper_hil.board.errors import BoardGoneError
from plantkeeper_hil.traffic import player
from plantkeeper_sim.events import Event


class RecordedBoard(ConsoleBoard):
    """A `Board` over a cassette; its clock is the recorded one, and waiting costs nothing but what its posts take.

    A post is made before the line is said that follows it on the cassette.

    Args:
        gateway: address and port that its connections go to now; None: nobody is posted to.

    Raises:
        CassetteError: from every call that is not the one recorded, and where a post is answered otherwise.
    """

    # beyond its console nothing: faults are not on a cassette, a reset by power is a call like any other
    CAPABILITIES = frozenset({Capability.POWER_CYCLE})

    def __init__(self, cassette: Cassette, *, gateway: tuple[str, int] | None = None) -> None:
        super().__init__(cassette.board)
        self._cassette, self._gateway = cassette, gateway
        self._made = self._posted = 0
        self._clock_s = min([line.time_s for line in cassette.lines[:1]] + [call.time_s for call in cassette.calls[:1]])
        self._closed = False

    def __str__(self) -> str:
        return f"recorded board {self.name}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What a cassette can have."""
        return self.CAPABILITIES

    def close(self) -> None:
        """Nothing is open."""
        self._closed = True

    def scpi(self, command: str, *, timeout_s: float = REPLY_TIMEOUT_S, check: bool = True) -> str:
        """As of every board."""
        self._catch_up()
        return super().scpi(command, timeout_s=timeout_s, check=check)

    def reset(self, how: Reset, *, timeout_s: float = BOOT_TIMEOUT_S) -> Event:
        """As of every board."""
        self._catch_up()
        return super().reset(how, timeout_s=timeout_s)

    def _catch_up(self) -> None:
        """Say what was said before the next call, whether or not somebody waited for it: a reply comes after."""
        following = self._call(self._made)
        if following is not None:
            self._show_until(following.after_lines)

    def _now_s(self) -> float:
        return self._clock_s

    def _write(self, data: bytes) -> None:
        self._play(secrets.hidden(data.decode("ascii")))

    def _start_anew(self, how: Reset) -> None:
        self._play(f"reset {how.value}")

    def _wait_for_lines(self, known: int, deadline_s: float) -> None:
        self._check_open()
        following = self._call(self._made)
        limit = following.after_lines if following else len(self._cassette.lines)
        if known < limit and self._cassette.lines[known].time_s <= deadline_s:
            self._show_until(known + 1)
        else:
            self._clock_s = deadline_s

    def _play(self, what: str) -> None:
        self._check_open()
        recorded = self._call(self._made)
        if recorded is None or recorded.what != what:
            expected = "nothing more" if recorded is None else repr(recorded.what)
            raise CassetteError(
                f"{self}: call {self._made + 1} is {what!r}, on the cassette it is {expected}; the test changed since: "
                "record it anew (hil record)"
            )
        self._made += 1
        self._show_until(recorded.after_lines)
        self._clock_s = max(self._clock_s, recorded.time_s)

    def _call(self, number: int) -> Call | None:
        return self._cassette.calls[number] if number < len(self._cassette.calls) else None

    def check_finished(self) -> None:
        """Make sure that all was done to it that was done then.

        Raises:
            CassetteError: names the first call that was not made.
        """
        missing = self._call(self._made)
        if missing is not None:
            raise CassetteError(
                f"{self}: call {self._made + 1} was not made, on the cassette it is {missing.what!r}; the test changed "
                "since: record it anew (hil record)"
            )

    def _show_until(self, count: int) -> None:
        for number in range(len(self._lines), min(count, len(self._cassette.lines))):
            self._post_until(number)
            line = self._cassette.lines[number]
            self._lines.append(line)
            self._clock_s = max(self._clock_s, line.time_s)

    def _post_until(self, line_number: int) -> None:
        exchanges = self._cassette.exchanges
        while self._posted < len(exchanges) and exchanges[self._posted].after_lines <= line_number:
            connection = exchanges[self._posted].connection
            self._posted += 1
            if self._gateway is None:
                continue
            different = player.difference(connection, player.play(connection, self._gateway))
            if different:
                raise CassetteError(
                    f"{self}: connection {self._posted} ({player.name_of(connection)}): {different}; the gateway does "
                    "otherwise than it did when this was recorded"
                )

    def _check_open(self) -> None:
        if self._closed:
            raise BoardGoneError(f"{self} was closed; play it anew")
