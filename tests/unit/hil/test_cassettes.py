"""Recordings: read as written, insisted on when played, compared without what differs by nature; evidence of a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil import cli
from plantkeeper_hil.board.base import Call, Reset
from plantkeeper_hil.board.cassette import Cassette, CassetteError, Post
from plantkeeper_hil.board.compare import parting
from plantkeeper_hil.board.errors import BoardTimeoutError
from plantkeeper_hil.board.lines import ConsoleLine
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.evidence import EvidenceFolder, folder_name

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CHECKED = "CONF:INT 60\nSYST:ERR?\n"
NO_ERROR = '0,"No error"'


def cassette(
    *said: str, calls: tuple[tuple[int, str], ...] = (), board: str = "bench-1", posts: tuple[Post, ...] = ()
) -> Cassette:
    return Cassette(
        board,
        [Call(after, float(after), what) for after, what in calls],
        [ConsoleLine(float(n), NOW, text) for n, text in enumerate(said)],
        posts,
    )


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(st.lists(texts, max_size=6), st.lists(st.tuples(st.integers(0, 6), texts), max_size=4), texts)
def test_a_cassette_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, said: list[str], calls: list[tuple[int, str]], request: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "cassette.json"
    written = cassette(*said, calls=tuple(calls), posts=(Post(request, "HTTP/1.1 200 OK\r\n\r\n"),))
    written.save(path)
    assert Cassette.load(path) == written


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "board": "x"}'])
def test_what_is_no_cassette_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cassette.json").write_text(content)
    with pytest.raises(CassetteError, match=r"cassette.json is no cassette .*hil record"):
        Cassette.load(tmp_path / "cassette.json")


def test_a_recorded_board_says_what_was_said_after_each_call() -> None:
    board = RecordedBoard(cassette("!boot id=7", NO_ERROR, "!taken key=1-1", calls=((1, CHECKED),)))
    board.expect("!boot", timeout_s=1)
    assert board.scpi("CONF:INT 60") == ""
    board.expect("!taken", timeout_s=5)


def test_a_call_that_is_not_on_the_cassette_is_told() -> None:
    board = RecordedBoard(cassette("!boot id=7", NO_ERROR, calls=((1, CHECKED),)))
    with pytest.raises(
        CassetteError, match=r"recorded board bench-1: call 1 is 'reset dtr', on the cassette .*CONF:INT 60"
    ):
        board.reset(Reset.DTR)
    board.scpi("CONF:INT 60")
    with pytest.raises(CassetteError, match=r"call 2 is .*nothing more"):
        board.scpi("CONF:INT 60")


def test_a_line_that_came_too_late_then_comes_too_late_now() -> None:
    late = [ConsoleLine(0.0, NOW, "!boot id=7"), ConsoleLine(9.0, NOW, "!taken key=1-1")]
    board = RecordedBoard(Cassette("bench-1", [], late))
    with pytest.raises(BoardTimeoutError):
        board.expect("!taken", timeout_s=5)
    board.expect("!taken", timeout_s=5)


def test_what_differs_by_nature_is_no_difference() -> None:
    ours = cassette(
        "!boot id=7 boot=3", "!taken key=3-1 temperature=21 humidity=40 light=900", "21,40,900", calls=((2, "READ?\n"),)
    )
    theirs = cassette(
        "!boot id=1 boot=812",
        "!taken key=812-1 temperature=19.5 humidity=3 light=0",
        "19.5,3,0",
        calls=((2, "READ?\n"),),
    )
    assert parting(ours, theirs) == []


def test_where_two_recordings_part_is_shown() -> None:
    ours = cassette("!taken key=1-1", "!delivered key=1-1 status=200 attempts=1", board="sim-1")
    theirs = cassette("!taken key=9-1", "!undelivered key=9-1 reason=timeout status=0 attempts=1")
    difference = parting(ours, theirs)
    assert difference[:2] == ["--- sim-1", "+++ bench-1"]
    assert "-< !delivered key=<boot>-1 status=200 attempts=1" in difference
    assert "+< !undelivered key=<boot>-1 reason=timeout status=0 attempts=1" in difference


def test_the_posts_are_compared_too() -> None:
    ours = cassette(posts=(Post("POST", "HTTP/1.1 200 OK\r\n\r\n"),))
    theirs = cassette(posts=(Post("POST", "HTTP/1.1 503 Service Unavailable\r\n\r\n"),))
    assert "+POST → HTTP/1.1 503 Service Unavailable" in parting(ours, theirs)


def test_the_command_compares_test_by_test(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pytestconfig.rootpath)
    for side, said in (("sim", "!delivered key=1-1"), ("desk", "!dropped key=2-1")):
        for name, line in (("one", "!taken key=1-1"), ("two", said), *([("three", "x")] if side == "sim" else [])):
            (tmp_path / side / name).mkdir(parents=True)
            cassette(line).save(tmp_path / side / name / "cassette.json")
    assert cli.main(["compare", str(tmp_path / "sim"), str(tmp_path / "desk")]) == 1
    said_lines = capsys.readouterr().out.splitlines()
    assert said_lines[0] == "alike  one"
    assert "PARTS  two" in said_lines
    assert said_lines[-2].startswith("once   three (only in ")
    assert said_lines[-1] == "1 alike, 1 part"
    assert cli.main(["compare", str(tmp_path), str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("tests/system/test_board.py::test_x", "test_board.test_x"),
        ("tests/system/test_board.py::test_x[lost-1/2]", "test_board.test_x-lost-1-2"),
    ],
)
def test_a_folder_is_named_by_its_test(node: str, name: str) -> None:
    assert folder_name(node) == name


def test_a_tests_evidence(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "test", {"seed": 7})
    board = RecordedBoard(cassette("!boot id=7"))
    board.expect("!boot", timeout_s=1)
    folder.keep_board(board)
    folder.keep_records([{"id": 1}], [{"n": 1}, {"n": 2}])
    folder.keep_facts()
    assert (tmp_path / "test" / "serial.log").read_text() == "2026-11-26T00:00:00.000+00:00 0.000000 !boot id=7\n"
    assert Cassette.load(tmp_path / "test" / "cassette.json").facts["seed"] == 7
    assert [json.loads(line) for line in (tmp_path / "test" / "backend.jsonl").read_text().splitlines()] == [
        {"n": 1},
        {"n": 2},
    ]
    assert json.loads((tmp_path / "test" / "facts.json").read_text())["seed"] == 7
    EvidenceFolder(tmp_path / "test", {})
    assert list((tmp_path / "test").iterdir()) == []
