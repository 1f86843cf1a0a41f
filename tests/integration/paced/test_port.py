"""The port as a host has it: opening resets, unplugging hangs up, wrong baud rates garble."""

from __future__ import annotations

import os
import termios
from pathlib import Path
from time import monotonic

import pytest
import serial

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_sim.errors import PortError
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def read_until(line: serial.Serial, text: bytes, *, within_s: float = 20) -> bytes:
    deadline_s, heard = monotonic() + within_s, b""
    line.timeout = 0.2
    while monotonic() < deadline_s:
        heard += line.read(256)
        if text in heard:
            return heard
    pytest.fail(f"no {text!r} within {within_s} s; heard {heard!r}")


def test_opening_resets_and_opening_twice_does_not(board: BoardProcess) -> None:
    with serial.Serial(str(board.port), 115_200):
        assert board.status()["resets"] == 1
        with serial.Serial(str(board.port), 115_200):
            assert board.status()["resets"] == 1
        assert board.status()["in_use"]
    assert not board.status()["in_use"]
    for resets in (2, 3, 4):
        os.close(os.open(board.port, os.O_RDWR | os.O_NOCTTY))  # as short as can be
        assert board.status()["resets"] == resets


def test_without_hupcl_dtr_stays_and_the_next_opening_does_not_reset(board: BoardProcess) -> None:
    with serial.Serial(str(board.port), 115_200) as line:
        settings = termios.tcgetattr(line.fileno())
        settings[2] &= ~termios.HUPCL
        termios.tcsetattr(line.fileno(), termios.TCSANOW, settings)
    with serial.Serial(str(board.port), 115_200):
        assert board.status()["resets"] == 1


def test_unplugged_in_use_and_plugged_in_again(board: BoardProcess) -> None:
    with serial.Serial(str(board.port), 115_200, timeout=5) as line:
        board.unplug()
        with pytest.raises(serial.SerialException):
            line.read(1)
    assert not board.port.exists()
    assert board.status()["port"] is None
    board.plug()
    with serial.Serial(str(board.port), 115_200):
        assert board.status()["in_use"]


def test_wrong_baud_rate_and_then_the_right_one(tmp_path: Path, firmware: BuildResult) -> None:
    with (
        BoardProcess.start(tmp_path, firmware=firmware.elf) as board,
        serial.Serial(str(board.port), 38_400, timeout=4) as line,
    ):
        garbage = line.read(8)
        assert len(garbage) > 0
        assert not garbage.startswith(b"!boot")
        line.baudrate = 115_200
        board.reset()
        read_until(line, b"!boot id=1 ")


def test_babble(board: BoardProcess) -> None:
    board.babble(on=True)
    with serial.Serial(str(board.port), 115_200, timeout=5) as line:
        assert len(line.read(64)) == 64
        board.babble(on=False)
        line.timeout = 0.2
        while line.read(4096):
            pass


def test_native_usb_is_reset_by_the_touch_and_comes_back(tmp_path: Path) -> None:
    with BoardProcess.start(tmp_path, options=["--native-usb"]) as board:
        before = board.port.resolve()
        with serial.Serial(str(board.port), 115_200):
            pass
        assert board.status()["resets"] == 0
        held = os.open(before, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)  # keeps the old name from being used again
        with serial.Serial(str(board.port), 1200):
            os.close(held)
        deadline_s = monotonic() + 10
        while (status := board.status())["port"] is None or not status["resets"]:
            assert monotonic() < deadline_s
        with serial.Serial(str(board.port), 115_200):
            assert board.status()["resets"] == 1


def test_commands_that_there_are_not_and_a_place_that_is_taken(board: BoardProcess, tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"failed: no command 'dance'; there are: reset, "):
        board._ask("dance")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "port").write_text("a file")
    with pytest.raises(PortError, match="is a file, not a link to a port"), BoardProcess.start(taken):
        pass
