"""firmware/lib/flash_eeprom on the host: commits are whole or not at all, wherever power fails; all rows wear alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.sanitize]

BYTES, CHUNK, PAGE, ROW = 21 * 56, 56, 64, 256
ROWS = 24  # the fewest
BLANK = b"\xff" * BYTES
NEVER = -1

Ask = Callable[[str], str]
Writes = Sequence[tuple[int, bytes]]


@dataclass(frozen=True)
class Session:
    """What the driver told of one time under power."""

    before: bytes
    results: str
    after: bytes
    flash: bytes
    erased: dict[int, int]

    @property
    def was_cut(self) -> bool:
        return self.results.endswith("cut")

    @property
    def commits(self) -> int:
        return self.results.count("1")


def run(
    ask: Ask,
    flash: bytes,
    commits: Sequence[Writes],
    *,
    cut_after: int = NEVER,
    noise: int = 1,
    worn: Sequence[int] = (),
) -> Session:
    """One time under power: `cut_after` operations of the flash it ends in the middle of the next."""
    words = ["flash", flash.hex(), str(cut_after), str(noise), *map(str, worn), "-1"]
    for writes in commits:
        words += [word for at, content in writes for word in ("write", str(at), content.hex())]
        words.append("commit")
    before, results, after, content, erased = ask(" ".join(words)).split(" ")
    counts = {int(row): int(times) for row, times in (pair.split(":") for pair in erased.split(",")[:-1])}
    return Session(bytes.fromhex(before), results, bytes.fromhex(after), bytes.fromhex(content), counts)


def states(start: bytes, commits: Sequence[Writes]) -> list[bytes]:
    """What the bytes are after each commit."""
    found = [start]
    for writes in commits:
        content = bytearray(found[-1])
        for at, given_bytes in writes:
            content[at : at + len(given_bytes)] = given_bytes
        found.append(bytes(content))
    return found


def fresh(rows: int = ROWS) -> bytes:
    return b"\xff" * (rows * ROW)


writes = st.lists(
    st.integers(0, BYTES - 1).flatmap(
        lambda at: st.tuples(st.just(at), st.binary(min_size=1, max_size=min(120, BYTES - at)))
    ),
    max_size=4,
)
sessions = st.lists(
    st.tuples(st.lists(writes, max_size=8), st.integers(NEVER, 40), st.integers(1, 2**31)), min_size=1, max_size=12
)


def test_fresh_flash_holds_nothing(ask: Ask) -> None:
    assert run(ask, fresh(), []).before == BLANK


@given(st.binary(min_size=ROWS * ROW, max_size=ROWS * ROW))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_flash_with_anything_in_it_holds_nothing_and_works(ask: Ask, content: bytes) -> None:
    session = run(ask, content, [[(3, b"abc")]])
    assert session.before == BLANK
    assert run(ask, session.flash, []).before == BLANK[:3] + b"abc" + BLANK[6:]


def test_what_was_not_committed_is_forgotten(ask: Ask) -> None:
    words = f"flash {fresh().hex()} -1 1 -1 write 5 61"
    assert run(ask, bytes.fromhex(ask(words).split(" ")[3]), []).before == BLANK


@pytest.mark.slow
@given(sessions)
@settings(max_examples=60, deadline=None)
def test_wherever_power_fails_a_commit_is_whole_or_not_at_all(
    ask: Ask, plan: list[tuple[list[Writes], int, int]]
) -> None:
    flash, held = fresh(), [BLANK]
    for commits, cut_after, noise in plan:
        session = run(ask, flash, commits, cut_after=cut_after, noise=noise)
        assert session.before in held
        assert "0" not in session.results
        expected = states(session.before, commits)
        flash = session.flash
        held = expected[session.commits :][:2] if session.was_cut else expected[-1:]
    assert run(ask, flash, []).before in held


def busy_flash(ask: Ask) -> tuple[bytes, bytes]:
    """Flash that went round several times, every chunk in use, and what it holds; the next row has pages that count."""
    commits: list[Writes] = [[(0, bytes(range(256)) * 4 + bytes(BYTES - 1024))]]
    commits += [[(CHUNK * (index % 3), bytes([index % 251, index // 251]))] for index in range(5 * ROWS * 4)]
    session = run(ask, fresh(), commits)
    assert session.results == "1" * len(commits) + "."
    return session.flash, states(BLANK, commits)[-1]


def test_power_fails_at_every_operation(ask: Ask) -> None:
    flash, held = busy_flash(ask)
    commits: list[Writes] = [[(0, b"new" * 100), (900, b"too")], [(60, b"x")]]
    expected = states(held, commits)
    seen = set()
    for cut_after in range(200):
        cut = run(ask, flash, commits, cut_after=cut_after, noise=cut_after + 7)
        again = run(ask, cut.flash, [[(1170, b"again")]])
        possible = expected[cut.commits :][:2]
        assert again.before in possible, f"cut after {cut_after} operations"
        assert run(ask, again.flash, []).before == again.before[:1170] + b"again" + again.before[1175:]
        seen.add(again.before)
        if not cut.was_cut:
            break
    assert seen == set(expected)
    assert cut_after > 8


def test_power_fails_twenty_times_in_a_row(ask: Ask) -> None:
    flash, held = busy_flash(ask)
    for index in range(20):
        session = run(ask, flash, [[(0, b"never")]], cut_after=0, noise=index + 1)
        assert session.was_cut
        assert session.before[5:] == held[5:]
        flash = session.flash
    assert run(ask, flash, [[(7, b"!")]]).results == "1."


@given(st.sets(st.integers(0, ROWS * 4 - 1), max_size=12))
@settings(max_examples=30, deadline=None)
def test_worn_pages_are_passed_over(ask: Ask, worn: set[int]) -> None:
    commits: list[Writes] = [[(index * 7 % BYTES, bytes([index % 256]))] for index in range(300)]
    session = run(ask, fresh(), commits, worn=sorted(worn))
    assert session.results == "1" * len(commits) + "."
    assert run(ask, session.flash, [], worn=sorted(worn)).before == states(BLANK, commits)[-1]


def test_worn_out_flash_says_so_and_keeps_what_it_holds(ask: Ask) -> None:
    flash, held = busy_flash(ask)
    session = run(ask, flash, [[(0, b"new")], [(0, b"newer")]], worn=range(ROWS * 4))
    assert session.results == "00."
    assert run(ask, session.flash, []).before == held


def test_all_rows_wear_alike_and_moving_costs_little(ask: Ask) -> None:
    rows, commits = 63, 4000
    every_chunk: list[Writes] = [[(0, bytes(BYTES))]]
    few: list[Writes] = [[(index % 7 * CHUNK, index.to_bytes(2, "little"))] for index in range(1, commits)]
    session = run(ask, fresh(rows), every_chunk + few)
    assert session.commits == commits
    assert set(session.erased) == set(range(rows))
    assert max(session.erased.values()) - min(session.erased.values()) <= 1
    assert sum(session.erased.values()) * 4 < 1.12 * commits
