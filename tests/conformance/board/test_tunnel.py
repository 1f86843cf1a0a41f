"""A board without a network: its HTTP through frames on the serial line, beside the console."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.board.frames import Frame
from plantkeeper_hil.board.serial import SerialBoard
from plantkeeper_hil.board.tunnel import Tunnel
from plantkeeper_hil.firmware import BuildResult, build_firmware
from plantkeeper_hil.project import Project
from plantkeeper_sim.paced.process import BoardProcess

# ---- the host's end, with frames by hand -------------------------------------------------------------------------


class Wire:
    """Frames that the host sent, one at a time."""

    def __init__(self) -> None:
        self._sent: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def send(self, frame: Frame) -> None:
        self._sent.put(frame)

    def next(self) -> Frame:
        return self._sent.get(timeout=5)

    @property
    def quiet(self) -> bool:
        return self._sent.empty()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def tunnel(server: socket.socket, wire: Wire) -> Iterator[Tunnel]:
    address = server.getsockname()
    made = Tunnel(lambda host, port: address if (host, port) == ("192.0.2.10", 8080) else None, wire.send)
    yield made
    made.close()


GATEWAY = bytes([192, 0, 2, 10]) + (8080).to_bytes(2, "big")


def test_a_connection_from_opening_to_close(tunnel: Tunnel, wire: Wire, server: socket.socket) -> None:
    tunnel.take(Frame("O", 7, 0, GATEWAY))
    assert wire.next() == Frame("E", 7, 0)
    peer, _ = server.accept()
    with peer:
        tunnel.take(Frame("D", 7, 1, b"GET "))
        assert wire.next() == Frame("A", 7, 1)
        tunnel.take(Frame("D", 7, 2, b"/"))
        assert wire.next() == Frame("A", 7, 2)
        with peer.makefile("rb") as heard:
            assert heard.read(5) == b"GET /"
        peer.sendall(b"x" * 100)
        first = wire.next()
        assert (first.kind, first.sequence, first.payload) == ("D", 1, b"x" * 64)
        assert wire.quiet  # nothing more before it is acknowledged
        tunnel.take(Frame("A", 7, 1))
        assert wire.next().payload == b"x" * 36
        tunnel.take(Frame("A", 7, 2))
    assert wire.next().kind == "C"
    [exchange] = tunnel.exchanges
    assert (bytes(exchange.sent), bytes(exchange.received)) == (b"GET /", b"x" * 100)


def test_where_nobody_is_the_connection_is_refused(tunnel: Tunnel, wire: Wire) -> None:
    tunnel.take(Frame("O", 1, 0, bytes(4) + b"\x00\x50"))
    assert wire.next() == Frame("R", 1, 0)


def test_an_answer_that_is_not_acknowledged_ends_the_connection(
    tunnel: Tunnel, wire: Wire, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plantkeeper_hil.board.tunnel.ACK_S", 0.1)
    tunnel.take(Frame("O", 1, 0, GATEWAY))
    assert wire.next().kind == "E"
    peer, _ = server.accept()
    with peer:
        peer.sendall(b"x" * 200)
        assert wire.next().kind == "D"
        tunnel.take(Frame("A", 1, 9))  # of another frame
        assert wire.next() == Frame("C", 1, 2)


def test_a_new_connection_ends_the_old_one(tunnel: Tunnel, wire: Wire, server: socket.socket) -> None:
    tunnel.take(Frame("O", 1, 0, GATEWAY))
    assert wire.next() == Frame("E", 1, 0)
    old, _ = server.accept()
    tunnel.take(Frame("O", 2, 0, GATEWAY))
    with old:
        old.settimeout(5)
        assert old.recv(1) == b""
    tunnel.take(Frame("D", 1, 1, b"late"))
    tunnel.take(Frame("C", 2, 1))
    assert tunnel.exchanges[0].sent == b""


# ---- the firmware's end, at a pty -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def serial_firmware(hil_project: Project) -> BuildResult:
    return build_firmware(hil_project, environment="uno_serial")


@pytest.fixture
def device(tmp_path: Path, serial_firmware: BuildResult) -> Iterator[BoardProcess]:
    with BoardProcess.start(tmp_path, firmware=serial_firmware.elf, device_id=7, period_s=4) as process:
        yield process


BoardAt = Callable[..., SerialBoard]


def board_at(device: BoardProcess, to: tuple[str, int] | None) -> SerialBoard:
    return SerialBoard("bench-1", str(device.port), route=lambda _host, _port: to)


@pytest.mark.slow
@pytest.mark.integration
def test_a_reading_goes_through_the_serial_line(
    device: BoardProcess, serial_firmware: BuildResult, scripted: Any
) -> None:
    with board_at(device, scripted.address) as board:
        assert board.identity.model == "uno_serial"
        assert board.identity.firmware == serial_firmware.identity
        taken = board.expect(r"!taken key=(\S+) temperature=(\S+)", timeout_s=10)
        board.expect(rf"!delivered key={taken[1]} status=200 attempts=1", timeout_s=10)
        assert board.scpi("*TST?") == "0"
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /sensor-data HTTP/1.1\r\n")
    assert json.loads(body)["id"] == 7
    assert str(json.loads(body)["temperature"]) == taken[2]
    assert bytes(board.tunnel.exchanges[0].sent) == scripted.requests[0]


@pytest.mark.slow
@pytest.mark.integration
def test_the_console_is_heard_while_frames_go_by(device: BoardProcess, scripted: Any) -> None:
    with board_at(device, scripted.address) as board:
        answers = []
        while len(board.events("delivered")) < 2:
            answers.append(board.scpi("CONF:INT?"))
        assert set(answers) == {"4"}
        assert not board.events("undelivered")


@pytest.mark.slow
@pytest.mark.integration
def test_without_a_host_that_tunnels_readings_wait_and_go_out_later(device: BoardProcess, scripted: Any) -> None:
    with board_at(device, None) as board:
        failed = board.expect(r"!undelivered key=(\S+) reason=connect", timeout_s=10)
    with board_at(device, scripted.address) as board:
        board.expect(rf"!delivered key={failed[1]} status=200", timeout_s=20)


@pytest.mark.slow
@pytest.mark.integration
def test_a_garbled_frame_breaks_the_attempt_and_the_next_one_delivers(device: BoardProcess, scripted: Any) -> None:
    with board_at(device, scripted.address) as board:
        whole, garbled = board.tunnel.take, threading.Event()

        def lose_the_third(frame: Frame) -> None:
            if frame.kind == "D" and frame.sequence == 3 and not garbled.is_set():
                garbled.set()  # as if its CRC had been wrong: the host does not see it
                return
            whole(frame)

        board.tunnel.take = lose_the_third  # type: ignore[method-assign] # the wire, in the middle
        failed = board.expect(r"!undelivered key=(\S+) reason=timeout", timeout_s=15)
        board.expect(rf"!delivered key={failed[1]} status=200", timeout_s=20)
        assert garbled.is_set()
