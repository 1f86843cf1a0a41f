"""Recordings: read as written, insisted on when played, compared without what differs by nature; evidence of a test."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil import cli
from plantkeeper_hil.board.base import Call, Reset
from plantkeeper_hil.board.cassette import Cassette, CassetteError, Exchange, placed
from plantkeeper_hil.board.compare import compare
from plantkeeper_hil.board.errors import BoardTimeoutError, CommandError
from plantkeeper_hil.board.lines import ConsoleLine
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.evidence import EvidenceFolder, folder_name
from plantkeeper_hil.traffic.connection import Connection, Instant, Kind, Passage, Source

NOW = datetime(2026, 11, 26, tzinfo=UTC)
AT = Instant(1.0, NOW)
CHECKED = "CONF:INT 60\nSYST:ERR?\n"
NO_ERROR = '0,"No error"'


def cassette(
    *said: str,
    calls: tuple[tuple[int, str], ...] = (),
    board: str = "bench-1",
    posts: tuple[tuple[int, bytes, bytes], ...] = (),
) -> Cassette:
    """Lines a second apart; calls and posts by the number of lines before them."""
    return Cassette(
        board,
        [Call(after, float(after), what) for after, what in calls],
        [ConsoleLine(float(n), NOW + timedelta(seconds=n), text) for n, text in enumerate(said)],
        [Exchange(after, connection(sent, received)) for after, sent, received in posts],
    )


def connection(sent: bytes, received: bytes, opened: datetime = NOW) -> Connection:
    return Connection(
        Instant(1.0, opened),
        "192.0.2.20:1024",
        (
            Passage(Source.BOARD, Kind.DATA, AT, sent),
            Passage(Source.GATEWAY, Kind.DATA, AT, received),
            Passage(Source.GATEWAY, Kind.END, AT),
            Passage(Source.BOARD, Kind.END, AT),
        ),
    )


def post(key: str, body: bytes = b'{"id":7,"temperature":21,"humidity":40,"light":900}', *more: str) -> bytes:
    head = ["POST /sensor-data HTTP/1.1", "Host: 192.0.2.10:8080", f'Idempotency-Key: "{key}"', *more]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answer(status: str = "200 OK", body: bytes = b'{"message":"stored"}', *more: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *more, f"Content-Length: {len(body)}", "", ""]).encode() + body


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(
    st.lists(texts, max_size=6),
    st.lists(st.tuples(st.integers(0, 6), texts), max_size=4),
    st.binary(),
    st.integers(0, 6),
)
def test_a_cassette_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, said: list[str], calls: list[tuple[int, str]], request: bytes, after: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cassette.json"
    written = cassette(*said, calls=tuple(calls), posts=((after, request, answer()),))
    written.save(path)
    assert Cassette.load(path) == written


KEY = bytes(range(32)).hex()


@pytest.mark.parametrize(
    ("recording", "what"),
    [
        (cassette(calls=((0, f"CONF:KEY 1,{KEY[:20]}\n"),)), "a CONF:KEY or CONF:WIFI:PASS command in its calls"),
        (
            cassette(calls=((0, "configure:key 1,abc\nSYST:ERR?\n"),)),
            "a CONF:KEY or CONF:WIFI:PASS command in its calls",
        ),
        (cassette(f"!key {KEY}"), "64 hexadecimal digits, as a board's key has in its lines"),
        (
            cassette(posts=((0, post("1-1", b"{}", "Authorization: Bearer abc"), answer()),)),
            "credentials in its connections",
        ),
        (cassette(posts=((0, post("1-1"), answer(body=KEY.encode())),)), "a board's key has in its connections"),
    ],
)
def test_a_key_or_a_token_is_never_written(tmp_path: Path, recording: Cassette, what: str) -> None:
    with pytest.raises(CassetteError, match=f"board bench-1 has .*{what}"):
        recording.save(tmp_path / "cassette.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        f"CONF:KEY 1,{KEY}",
        f"configure:key  1,{KEY}",
        f":CONFigure:KEY 1,{KEY}",
        f'CONF:WIFI:PASS "1,{KEY[:50]}"',
        f"CONFigure:WIFI:PASSphrase '1,{KEY[:50]}'",
    ],
)
def test_a_key_that_is_set_is_no_part_of_the_call(tmp_path: Path, command: str) -> None:
    """Recorded without it, and played against a test that sets one."""
    hidden = re.sub(r"['\"]?1,.*", "<secret>", command)
    board = RecordedBoard(cassette('-113,"Undefined header"', calls=((0, f"{hidden}\nSYST:ERR?\n"),)))
    with pytest.raises(CommandError) as caught:
        board.scpi(command)
    assert KEY[:50] not in str(caught.value)
    assert board.calls[0].what == f"{hidden}\nSYST:ERR?\n"
    EvidenceFolder(tmp_path / "test", {}).keep_board(board, [])
    assert KEY[:50] not in "".join(path.read_text() for path in (tmp_path / "test").iterdir())


def test_connections_are_placed_among_the_lines_by_the_wall_clock() -> None:
    lines = cassette("a", "b", "c").lines
    connections = [connection(b"", b"", NOW + timedelta(seconds=s)) for s in (-1, 0.5, 9)]
    assert [exchange.after_lines for exchange in placed(connections, lines)] == [0, 1, 3]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}', '{"version": 2, "board": "x"}'])
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


def test_a_reply_is_told_from_what_was_said_before_the_call() -> None:
    """As of a board at a port: opening it asks who it is."""
    board = RecordedBoard(
        cassette("!boot id=7", "PlantKeeper,uno,7,x", "0", NO_ERROR, calls=((2, "*TST?\nSYST:ERR?\n"),))
    )
    assert board.scpi("*TST?") == "0"


def test_a_call_that_is_left_out_is_told() -> None:
    board = RecordedBoard(cassette(NO_ERROR, NO_ERROR, calls=((0, CHECKED), (1, "CONF:SAVE\nSYST:ERR?\n"))))
    board.scpi("CONF:INT 60")
    with pytest.raises(CassetteError, match=r"recorded board bench-1: call 2 was not made, .*'CONF:SAVE"):
        board.check_finished()
    board.scpi("CONF:SAVE")
    board.check_finished()


TAKEN = "!taken key=3-1 temperature=21 humidity=40 light=900"
DELIVERED = "!delivered key=3-1 status=200 attempts=1"


def session(*said: str, **kinds: Any) -> Cassette:
    return cassette("!boot id=7 boot=3 waiting=0 cause=0x01 fw=0.1.0", *said, **kinds)


def test_what_differs_by_nature_is_no_difference() -> None:
    ours = session(
        TAKEN, "21,40,900", NO_ERROR, DELIVERED, board="sim-7", calls=((2, "READ?\nSYST:ERR?\n"),),
        posts=((2, post("3-1"), answer("200 OK", b"{}", "Date: Thu, 26 Nov 2026 04:44:24 GMT", "X-Request-Id: a")),),
    )  # fmt: skip
    theirs = cassette(
        '0,"rest of a line', "!sensor name=soil reason=open",  # of the time before the port was opened
        "!boot id=1 boot=812 waiting=2 cause=0x00 fw=0.1.0",
        "PlantKeeper,uno,1,0.1.0+abc.elf-0", "!delivered key=811-6 status=200 attempts=2",
        "!taken key=812-1 temperature=19.5 humidity=3 light=0", "!delivered key=812-1 status=200 attempts=1",
        "19.5,3,0", NO_ERROR, "!taken key=812-2 temperature=19.5 humidity=3 light=0",
        calls=((7, "READ?\nSYST:ERR?\n"),),
        posts=(
            (4, post("811-6", b'{"id":1,"age_s":8}'), answer()),
            (5, post("812-1", b'{"id":1,"temperature":19.5,"humidity":3,"light":0}').replace(b"192.0.2", b"10.1.1"),
             answer("200 OK", b"{}", "Date: Fri, 27 Nov 2026 04:44:24 GMT", "X-Request-Id: b")),
        ),
    )  # fmt: skip
    compared = compare(ours, theirs)
    assert compared.difference == []
    assert compared.readings == (1, 2, 1)


REQUEST, ANSWER = post("3-1"), answer()


@pytest.mark.parametrize(
    ("lines", "request_", "answer_", "parts"),
    [
        ([TAKEN, "!undelivered key=3-1 reason=timeout status=0 attempts=1", DELIVERED], REQUEST, ANSWER,
         "+< !undelivered key=<boot>-1 reason=timeout status=0 attempts=1"),
        (["!hang state=send hangs=1", TAKEN, DELIVERED], REQUEST, ANSWER, "+< !hang state=send hangs=1"),
        ([TAKEN, DELIVERED, "!boot id=7 boot=4 waiting=0 cause=0x08 fw=0.1.0"], REQUEST, ANSWER,
         "+< !boot id=<…> boot=<…> waiting=<…> cause=<…> fw=<…>"),
        ([TAKEN, DELIVERED], REQUEST.replace(b"POST", b"PUT"), ANSWER, "+→ PUT /sensor-data HTTP/1.1"),
        ([TAKEN, DELIVERED], REQUEST.replace(b"/sensor-data", b"/"), ANSWER, "+→ POST / HTTP/1.1"),
        ([TAKEN, DELIVERED], REQUEST.replace(b"Host", b"host"), ANSWER, "+→ host: <…>"),
        ([TAKEN, DELIVERED], REQUEST.replace(b"Host: 192.0.2.10:8080\r\n", b""), ANSWER, "-→ Host: <…>"),
        ([TAKEN, DELIVERED], REQUEST.replace(b'"light":900', b'"lux":9000'), ANSWER,
         '+→ {"id": <number>, "temperature": <number>, "humidity": <number>, "lux": <number>}'),
        ([TAKEN, DELIVERED], REQUEST.replace(b":900}", b':"9"}'), ANSWER,
         '+→ {"id": <number>, "temperature": <number>, "humidity": <number>, "light": <str>}'),
        ([TAKEN, DELIVERED], REQUEST, answer("503 Service Unavailable"), "+← HTTP/1.1 503 Service Unavailable"),
        ([TAKEN, DELIVERED], REQUEST, answer("200 OK", b'{"error":"x"}'), '+← {"error":"x"}'),
        ([TAKEN, DELIVERED], b"POST / HTTP/1.1\r\n\r\n", ANSWER, "+a request without a key:"),
    ],
)  # fmt: skip
def test_where_two_recordings_part_is_shown(lines: list[str], request_: bytes, answer_: bytes, parts: str) -> None:
    ours = session(TAKEN, DELIVERED, board="sim-7", posts=((2, REQUEST, ANSWER),))
    difference = compare(ours, session(*lines, posts=((2, request_, answer_),))).difference
    assert difference[:2] == ["--- sim-7", "+++ bench-1"]
    assert parts in difference
    assert compare(ours, ours).difference == []


def test_another_reply_or_call_is_shown() -> None:
    ours = session("0", NO_ERROR, calls=((1, "*TST?\nSYST:ERR?\n"),))
    assert "+< 8" in compare(ours, session("8", NO_ERROR, calls=((1, "*TST?\nSYST:ERR?\n"),))).difference
    assert "+> *RST" in compare(ours, session("0", NO_ERROR, calls=((1, "*RST\nSYST:ERR?\n"),))).difference


def test_the_command_compares_test_by_test(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pytestconfig.rootpath)
    for side, said in (("sim", DELIVERED), ("desk", DELIVERED.replace("delivered", "dropped"))):
        for name, line in (("one", ""), ("two", said), *([("three", "x")] if side == "sim" else [])):
            (tmp_path / side / name).mkdir(parents=True)
            session(TAKEN, line).save(tmp_path / side / name / "cassette.json")
    assert cli.main(["compare", str(tmp_path / "sim"), str(tmp_path / "desk")]) == 1
    said_lines = capsys.readouterr().out.splitlines()
    assert said_lines[0] == "alike  one (readings: 1 and 1, 0 compared)"
    assert "PARTS  two (readings: 1 and 1, 1 compared)" in said_lines
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
    folder.keep_board(board, [connection(post("3-1"), answer())])
    folder.keep_records([{"id": 1}], [{"n": 1}, {"n": 2}])
    folder.keep_facts()
    assert (tmp_path / "test" / "serial.log").read_text() == "2026-11-26T00:00:00.000+00:00 0.000000 !boot id=7\n"
    assert (tmp_path / "test" / "gateway.http").read_bytes() == post("3-1") + b"\n\n" + answer() + b"\n\n"
    kept = Cassette.load(tmp_path / "test" / "cassette.json")
    assert kept.facts["seed"] == 7
    assert kept.exchanges[0].connection.sent == post("3-1")
    assert [json.loads(line) for line in (tmp_path / "test" / "backend.jsonl").read_text().splitlines()] == [
        {"n": 1},
        {"n": 2},
    ]
    assert json.loads((tmp_path / "test" / "facts.json").read_text())["seed"] == 7
    EvidenceFolder(tmp_path / "test", {})
    assert list((tmp_path / "test").iterdir()) == []
