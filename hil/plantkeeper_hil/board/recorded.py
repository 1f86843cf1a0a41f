"""A board played from a cassette: it says what was recorded, and insists that the same is done to it."""

from __future__ import annotations

from plantkeeper_hil.board.base import Call, Capability, ConsoleBoard, Reset
from plantkeeper_hil.board.cassette import Cassette, CassetteError
from plantkeeper_hil.board.errors import BoardGoneError


class RecordedBoard(ConsoleBoard):
    """A `Board` over a cassette; its clock is the recorded one, and waiting costs nothing.

    Raises:
        CassetteError: from every call that is not the one recorded.
    """

    def __init__(self, cassette: Cassette) -> None:
        super().__init__(cassette.board)
        self._cassette = cassette
        self._made = 0
        self._clock_s = min([line.time_s for line in cassette.lines[:1]] + [call.time_s for call in cassette.calls[:1]])
        self._closed = False

    def __str__(self) -> str:
        return f"recorded board {self.name}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Nothing beyond its console: faults are not on the cassette."""
        return frozenset({Capability.POWER_CYCLE})

    def close(self) -> None:
        """Nothing is open."""
        self._closed = True

    def _now_s(self) -> float:
        return self._clock_s

    def _write(self, data: bytes) -> None:
        self._play(data.decode("ascii"))

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

    def _show_until(self, count: int) -> None:
        for line in self._cassette.lines[len(self._lines) : count]:
            self._lines.append(line)
            self._clock_s = max(self._clock_s, line.time_s)

    def _check_open(self) -> None:
        if self._closed:
            raise BoardGoneError(f"{self} was closed; play it anew")
