"""Console lines as a host reads them: split, timed, shown; identities; events that a reset cut."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.board.base import Capability, ConsoleBoard, Reset
from plantkeeper_hil.board.errors import BoardError
from plantkeeper_hil.board.identity import Identity
from plantkeeper_hil.board.lines import LONGEST_LINE, ConsoleLine, LineSplitter, as_log, is_garbled, show

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def split(*pieces: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line.text for piece in pieces for line in splitter.feed(piece, time_s=0.0, wall=NOW)]


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)), st.data())
def test_lines_come_whole_whatever_the_pieces(lines: list[str], data: st.DataObject) -> None:
    stream = "".join(line + data.draw(st.sampled_from(["\n", "\r", "\r\n"])) for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert split(*pieces) == [line for line in lines if line]


@given(st.binary(max_size=3000))
def test_any_bytes_give_printable_lines_of_bounded_length(noise: bytes) -> None:
    for line in split(noise, b"\n"):
        assert line.isprintable() or "\t" in line
        assert len(line) <= 4 * LONGEST_LINE


@given(st.binary(min_size=30).filter(lambda data: sum(b > 126 for b in data) > len(data) / 5))
def test_noise_is_no_console(noise: bytes) -> None:
    assert is_garbled(noise)


def test_console_text_is_not_garbled() -> None:
    assert not is_garbled(b"!taken key=1-1\r\n")
    assert not is_garbled(b"")


def test_the_last_lines_are_shown_with_their_times() -> None:
    lines = [ConsoleLine(float(n), NOW, f"line {n}") for n in range(20)]
    shown = show(lines, "half")
    assert "line 11" not in shown
    assert "      19.000 s  line 19\n  (unfinished)    half" in shown
    assert show([]) == "  nothing at all"
    assert as_log(lines[:1]) == "2026-11-26T00:00:00.000+00:00 0.000000 line 0\n"


names = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True)


@given(names, st.integers(0, 2**31 - 1), names, st.booleans(), st.integers(0, 2**64 - 1))
def test_identities_are_read_back(model: str, device: int, git: str, dirty: bool, elf: int) -> None:
    git_hash = git + (".dirty" if dirty else "")
    identity = Identity("PlantKeeper", model, device, "0.1.0", git_hash, f"{elf:016x}")
    assert Identity.parse(f"PlantKeeper,{model},{device},{identity.firmware}") == identity


@pytest.mark.parametrize("reply", ["", "hello", "PlantKeeper,uno,7,0.1.0", "PlantKeeper,uno,x,0.1.0+a.elf-" + "0" * 16])
def test_what_is_no_identity_is_refused(reply: str) -> None:
    with pytest.raises(ValueError, match="no identity of this firmware"):
        Identity.parse(reply)


class Lines(ConsoleBoard):
    """Nothing but lines."""

    def __init__(self, *lines: str) -> None:
        super().__init__("lines")
        self._lines = [ConsoleLine(0.0, NOW, line) for line in lines]

    capabilities: frozenset[Capability] = frozenset()

    def _now_s(self) -> float:
        return 0.0

    def _write(self, data: bytes) -> None:
        raise AssertionError

    def _wait_for_lines(self, known: int, deadline_s: float) -> None:
        raise AssertionError

    def _start_anew(self, how: Reset) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


def test_an_event_that_a_reset_cut_is_none() -> None:
    board = Lines("!taken key=1-1 temper", "!boot id=7 boot=2 cause=0x02 fw=x")
    assert [event.name for event in board.events()] == ["boot"]


@pytest.mark.parametrize("after", [(), ("!taken key=1-2",)])
def test_an_event_that_lost_bytes_is_told(after: tuple[str, ...]) -> None:
    with pytest.raises(BoardError, match=r"board lines: malformed event line '!taken key=1-1 temper'"):
        Lines("!taken key=1-1 temper", *after).events()
