"""The board in real time posts to a gateway on the host; one that never answers does not stop it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from time import monotonic

import pytest
import serial

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

GATEWAY = ("192.0.2.10", 8080)
STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"message":"stored"}'


def event(board: BoardProcess, name: bytes, *, within_s: float = 30) -> bytes:
    """The next event of a name, after the reset that opening the port is."""
    deadline_s = monotonic() + within_s
    with serial.Serial(str(board.port), 115_200, timeout=1) as line:
        while monotonic() < deadline_s:
            if (said := line.readline()).startswith(b"!" + name + b" "):
                return said
    pytest.fail(f"no !{name.decode()} within {within_s} s")


def test_a_reading_is_delivered(tmp_path: Path, firmware: BuildResult) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bodies = []

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while not request.endswith(b"}"):
                    request += connection.recv(4096)
                bodies.append(request)
                connection.sendall(STORED)

        gateway = threading.Thread(target=answer)
        gateway.start()
        with BoardProcess.start(
            tmp_path, firmware=firmware.elf, routes=[(GATEWAY, listener.getsockname()[:2])]
        ) as board:
            assert b"status=200" in event(board, b"delivered")
        gateway.join(10)
    assert bodies[0].startswith(b"POST /sensor-data HTTP/1.1\r\n")


def test_a_gateway_that_never_answers(tmp_path: Path, firmware: BuildResult) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        BoardProcess.start(tmp_path, firmware=firmware.elf, routes=[(GATEWAY, listener.getsockname()[:2])]) as board,
    ):
        assert b"reason=timeout" in event(board, b"undelivered")
