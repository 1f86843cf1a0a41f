"""HTTP in recorded bytes, what of it differs by nature, and a recorded connection played to a gateway again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.board.cassette import Cassette, CassetteError, Exchange
from plantkeeper_hil.board.lines import ConsoleLine
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.traffic import player
from plantkeeper_hil.traffic.connection import Connection, Instant, Kind, Passage, Source
from plantkeeper_hil.traffic.http import messages
from plantkeeper_hil.traffic.nature import plain_lines

NOW = datetime(2026, 11, 26, tzinfo=UTC)
AT = Instant(1.0, NOW)
DEADLINE_S = 10.0
REQUEST = b'POST /sensor-data HTTP/1.1\r\nIdempotency-Key: "3-1"\r\nContent-Length: 2\r\n\r\n{}'
STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nDate: Thu, 26 Nov 2026 04:44:24 GMT\r\n\r\n{"message":"stored"}'

names = st.from_regex(r"[A-Za-z][A-Za-z-]{0,10}", fullmatch=True).filter(lambda name: name.lower() != "content-length")
values = st.from_regex(r"[!-~]([ -~]{0,10}[!-~])?", fullmatch=True)


@st.composite
def one_message(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str]], bytes]:
    headers, body = draw(st.lists(st.tuples(names, values), max_size=3)), draw(st.binary(max_size=20))
    headers.insert(draw(st.integers(0, len(headers))), ("Content-Length", str(len(body))))
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + body, headers, body


@given(st.lists(one_message(), max_size=4), st.data())
def test_messages_are_told_apart_and_a_cut_one_is_not_whole(
    written: list[tuple[bytes, list[tuple[str, str]], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(raw for raw, _, _ in written)
    assert [(list(m.headers), m.body, m.whole) for m in messages(stream)] == [(h, b, True) for _, h, b in written]
    if written:
        cut = data.draw(st.integers(1, len(written[-1][0]) - 1))
        read = messages(stream[:-cut])
        assert [message.whole for message in read] == [True] * (len(written) - 1) + [False]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_somehow(data: bytes) -> None:
    for message in messages(data):
        assert plain_lines(message)


def test_an_answer_without_a_length_goes_to_the_end() -> None:
    [answer] = messages(b"HTTP/1.1 200 OK\r\n\r\nall of it\r\n\r\n")
    assert answer.body == b"all of it\r\n\r\n"


def test_a_signed_request_keeps_what_is_signed_and_puts_aside_its_values(pytestconfig: pytest.Config) -> None:
    [request] = messages((pytestconfig.rootpath / "tests/contract/signed_post.http").read_bytes())
    lines = plain_lines(request)
    assert lines == [
        "POST /sensor-data HTTP/1.1",
        "Host: <…>",
        "User-Agent: PlantKeeper/<…>",
        "Content-Type: application/json",
        'Idempotency-Key: "<boot>-42"',
        "Content-Digest: <…>",
        'Signature-Input: sig1=("@method" "@path" "content-digest" "idempotency-key");keyid="<…>"',
        "Signature: <…>",
        "Content-Length: <…>",
        "Connection: close",
        '{"id": <number>, "temperature": <number>, "humidity": <number>, "light": <number>}',
    ]


# ---- played again -------------------------------------------------------------------------------------------------


@contextmanager
def gateway(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """Serves one connection."""

    def work() -> None:
        end, _ = listener.accept()
        with end:
            end.settimeout(DEADLINE_S)
            serve(end)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        thread = threading.Thread(target=work)
        thread.start()
        yield listener.getsockname()
        thread.join(DEADLINE_S)


def recorded(*passages: tuple[Source, Kind, bytes]) -> Connection:
    return Connection(AT, "192.0.2.20:1024", tuple(Passage(source, kind, AT, data) for source, kind, data in passages))


BOARD, GATEWAY = Source.BOARD, Source.GATEWAY
ENDS = ((GATEWAY, Kind.END, b""), (BOARD, Kind.END, b""))
POSTED = recorded(
    (BOARD, Kind.DATA, REQUEST[:30]), (BOARD, Kind.DATA, REQUEST[30:]), (GATEWAY, Kind.DATA, STORED), *ENDS
)


def test_the_same_bytes_are_sent_and_the_same_answer_is_no_difference() -> None:
    got: list[bytes] = []

    def serve(end: socket.socket) -> None:
        request = b""
        while len(request) < len(REQUEST):
            request += end.recv(4096)
        got.append(request)
        end.sendall(STORED.replace(b"04:44:24", b"05:55:55"))

    with gateway(serve) as address:
        answer = player.play(POSTED, address)
    assert got == [REQUEST]
    assert player.difference(POSTED, answer) is None


@pytest.mark.parametrize(
    ("answer", "now", "then"),
    [
        (b"", "nothing", "'HTTP/1.1 200 OK'"),
        (STORED.replace(b"200 OK", b"503 Busy"), "'HTTP/1.1 503 Busy'", "'HTTP/1.1 200 OK'"),
        (STORED.replace(b"Content-L", b"content-l"), "'content-length: 20'", "'Content-Length: 20'"),
        (STORED.replace(b"stored", b"STORED"), """'{"message":"STORED"}'""", """'{"message":"stored"}'"""),
    ],
)
def test_the_first_difference_is_named(answer: bytes, now: str, then: str) -> None:
    assert player.difference(POSTED, answer) == f"answer: {now}, on the cassette {then}"


def test_an_answer_too_many_is_a_difference() -> None:
    assert player.difference(POSTED, STORED * 2) == "answer 2: 'HTTP/1.1 200 OK', on the cassette nothing"


def test_requests_on_a_kept_connection_wait_for_their_answers() -> None:
    kept = recorded(*[(BOARD, Kind.DATA, REQUEST), (GATEWAY, Kind.DATA, STORED)] * 2, (BOARD, Kind.END, b""))
    got: list[bytes] = []

    def serve(end: socket.socket) -> None:
        for _ in range(2):
            got.append(end.recv(4096))
            end.sendall(STORED[:40])
            end.sendall(STORED[40:])
        got.append(end.recv(1))

    with gateway(serve) as address:
        answer = player.play(kept, address)
    assert got == [REQUEST, REQUEST, b""]
    assert player.difference(kept, answer) is None


def test_a_connection_that_the_board_cut_is_cut_again_and_its_answer_not_judged() -> None:
    cut = recorded((BOARD, Kind.DATA, REQUEST[:50]), (BOARD, Kind.RESET, b""))
    got: list[object] = []

    def serve(end: socket.socket) -> None:
        try:
            got.append(end.recv(4096))
            got.append(end.recv(1))
        except ConnectionResetError:
            got.append("reset")

    with gateway(serve) as address:
        assert player.difference(cut, player.play(cut, address)) is None
    assert got[-1] == "reset"


def test_a_gateway_that_is_silent_or_not_there_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = silent.getsockname()
        assert player.play(POSTED, address, patience_s=0.1) == b""
    assert player.play(POSTED, address) == b""


def played(connection: Connection, address: tuple[str, int] | None) -> RecordedBoard:
    lines = [ConsoleLine(float(n), NOW, text) for n, text in enumerate(["!taken key=3-1", "!delivered key=3-1"])]
    return RecordedBoard(Cassette("bench-1", [], lines, [Exchange(1, connection)]), gateway=address)


def test_a_recorded_board_has_posted_before_it_says_so() -> None:
    posted = threading.Event()

    def serve(end: socket.socket) -> None:
        end.recv(4096)
        posted.set()
        end.sendall(STORED)

    with gateway(serve) as address, played(POSTED, address) as board:
        board.expect("!taken", timeout_s=1)
        assert not posted.is_set()
        board.expect("!delivered", timeout_s=5)
        assert posted.is_set()


def test_a_recorded_board_insists_on_the_answer() -> None:
    def serve(end: socket.socket) -> None:
        end.recv(4096)
        end.sendall(STORED.replace(b"200 OK", b"503 Busy"))

    with gateway(serve) as address, played(POSTED, address) as board, pytest.raises(CassetteError) as caught:
        board.expect("!delivered", timeout_s=5)
    assert str(caught.value).startswith(
        'recorded board bench-1: connection 1 (POST /sensor-data HTTP/1.1, key "3-1"): '
        "answer: 'HTTP/1.1 503 Busy', on the cassette 'HTTP/1.1 200 OK'"
    )


def test_without_a_gateway_it_only_talks() -> None:
    with played(POSTED, None) as board:
        board.expect("!delivered", timeout_s=5)
