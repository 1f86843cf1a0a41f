"""What goes wrong at a serial port: each trouble is told by its name, with the board's, and leaves the port clean."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pty_device import PtyDevice, Scripted

from plantkeeper_hil.board.base import Reset
from plantkeeper_hil.board.errors import (
    BoardBusyError,
    BoardGarbledError,
    BoardGoneError,
    BoardSilentError,
    BoardTimeoutError,
    BootloaderOnlyError,
    UnsupportedError,
)
from plantkeeper_hil.board.serial import SerialBoard, open_port
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IDN = b"PlantKeeper,uno,7,0.1.0+abc1234.elf-0123456789abcdef\r\n"


def answer(data: bytes) -> bytes:
    return b"".join(
        IDN if b"*IDN?" in line else b'0,"No error"\r\n' if b"SYST:ERR?" in line else b"" for line in data.split(b"\n")
    )


class Talking(Scripted):
    """Answers *IDN? as the firmware does."""

    def __init__(self, says: Callable[[], bytes] = lambda: b"") -> None:
        super().__init__(answer, says=says)


def board_at(device: PtyDevice, **more: float) -> SerialBoard:
    return SerialBoard("bench-1", device.path, **{"boot_wait_s": 0.1, "ask_s": 1.0, **more})  # type: ignore[arg-type]


def test_unplugged_in_the_middle_of_a_test() -> None:
    with Talking() as device, board_at(device) as board:
        threading.Timer(0.2, device.unplug).start()
        with pytest.raises(BoardGoneError, match=r"board bench-1 at /dev/pts/\d+: .*was it unplugged"):
            board.expect("never", timeout_s=10)
        with pytest.raises(BoardGoneError, match="bench-1"):
            board.scpi("*IDN?")


def test_no_such_port() -> None:
    with pytest.raises(BoardGoneError, match=r"bench-1 at /dev/no-such-board.*hil boards scan"):
        SerialBoard("bench-1", "/dev/no-such-board")


@pytest.mark.parametrize("port", ["gopher://x", "socket://127.0.0.1:1"])
def test_no_such_url(port: str) -> None:
    with pytest.raises(BoardGoneError, match="bench-1"):
        SerialBoard("bench-1", port)


def test_a_board_that_babbles() -> None:
    noise = random.Random(1)
    with (
        Scripted(says=lambda: noise.randbytes(40)) as device,
        pytest.raises(BoardGarbledError, match=r"bench-1 .*babbles"),
    ):
        board_at(device)


def test_a_board_that_begins_to_babble() -> None:
    noise, babbling = random.Random(1), threading.Event()
    with Talking(says=lambda: noise.randbytes(40) if babbling.is_set() else b"") as device, board_at(device) as board:
        babbling.set()
        with pytest.raises(BoardGarbledError, match=r"bench-1 .*babbles"):
            board.expect("!taken", timeout_s=0.5)


def test_a_wrong_baud_rate(paced: BoardProcess) -> None:
    with pytest.raises(BoardGarbledError, match=r"bench-1 .*the baud rate is not 9600"):
        SerialBoard("bench-1", str(paced.port), baud=9600, ask_s=2.0)
    with SerialBoard("bench-1", str(paced.port)) as board:
        assert board.identity.device_id == 7


def test_a_real_board_unplugged_and_plugged_in_again(paced: BoardProcess) -> None:
    with SerialBoard("bench-1", str(paced.port)) as board:
        threading.Timer(0.2, paced.unplug).start()
        with pytest.raises(BoardGoneError, match=r"bench-1 .*was it unplugged"):
            board.expect("never", timeout_s=10)
    paced.plug()
    with SerialBoard("bench-1", str(paced.port)) as board:
        board.expect("!delivered", timeout_s=15)


def test_a_real_board_half_flashed(paced: BoardProcess) -> None:
    paced.half_flash()
    with pytest.raises(BoardSilentError, match="hil flash --board bench-1"):
        SerialBoard("bench-1", str(paced.port), ask_s=2.0)


def test_the_1200_baud_touch_of_a_board_with_native_usb_that_leaves_the_bus(
    tmp_path: Path, firmware: BuildResult
) -> None:
    options = ["--native-usb"]
    with BoardProcess.start(tmp_path, firmware=firmware.elf, device_id=7, period_s=4, options=options) as process:
        with SerialBoard("bench-1", str(process.port), find_port=lambda: str(process.port)) as board:
            before = int(board.scpi("STAT?").split(",")[0])
            assert int(board.reset(Reset.TOUCH_1200).fields["boot"]) == before + 1
        assert any("1200-baud touch" in event for event in process.events)


class Leaving(Talking):
    """A board with native USB: `*RST` takes its port away. Before, it says something more."""

    def on_bytes(self, data: bytes) -> None:
        if b"*RST" in data:
            self.send(b"!delivered key=3-9 status=200 attempts=1\r\n")
            threading.Timer(0.1, self.unplug).start()
        super().on_bytes(data)


class Returned(Talking):
    """The same board at another path; whoever opens the port hears its start."""

    def on_open(self) -> None:
        self.send(b"\r\n!boot id=7 boot=4 waiting=0 cause=0x10 fw=0.1.0+abc1234\r\n")


def test_a_board_with_native_usb_that_restarts_is_found_again() -> None:
    with (
        Leaving() as before,
        Returned() as after,
        SerialBoard("bench-1", before.path, boot_wait_s=0.1, ask_s=1.0, find_port=lambda: after.path) as board,
    ):
        assert board.reset(Reset.WATCHDOG).fields["boot"] == "4"
        assert board.port == after.path
        assert board.identity.device_id == 7


def test_a_board_with_native_usb_whose_new_port_nobody_can_tell() -> None:
    with (
        Leaving() as before,
        SerialBoard("bench-1", before.path, boot_wait_s=0.1, ask_s=1.0) as board,
        pytest.raises(BoardGoneError, match="bench-1"),
    ):
        board.reset(Reset.WATCHDOG, timeout_s=5)


def test_a_board_that_nothing_can_switch(paced: BoardProcess) -> None:
    with (
        SerialBoard("bench-1", str(paced.port)) as board,
        pytest.raises(UnsupportedError, match=r"bench-1 .*boards.yaml"),
    ):
        board.reset(Reset.POWER)


def test_a_half_flashed_board() -> None:
    def loader(data: bytes) -> bytes:
        return b"\x14\x10" if data.endswith(b"0 ") else b""

    with Scripted(loader) as device, pytest.raises(BootloaderOnlyError, match="hil flash --board bench-1"):
        board_at(device)


def test_a_board_that_says_nothing() -> None:
    with Scripted() as device, pytest.raises(BoardSilentError, match=r"bench-1 .*nothing comes from it at 115200 baud"):
        board_at(device)


def test_a_board_with_another_firmware() -> None:
    with (
        Scripted(says=lambda: b"hello world\r\n") as device,
        pytest.raises(BoardSilentError, match=r"bench-1 .*does not answer \*IDN\?(.|\n)*hello world"),
    ):
        board_at(device)


def test_a_line_in_two_halves_is_shown_as_such() -> None:
    with Talking() as device, board_at(device) as board:
        device.send(b"!taken key=1-1 temp")
        with pytest.raises(BoardTimeoutError, match=r"\(unfinished\) +!taken key=1-1 temp"):
            board.expect("!taken .*light", timeout_s=0.3)


def test_a_port_that_another_process_has() -> None:
    hold = (
        "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True);sys.stdin.read()"
    )
    with Talking() as device:
        holder = subprocess.Popen(
            [sys.executable, "-c", hold, device.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BoardBusyError, match=rf"bench-1 .*process {holder.pid} \(.*\) has it"):
            board_at(device)
        holder.communicate(timeout=10)
        with board_at(device) as board:
            assert board.identity.device_id == 7


def test_a_second_reader_is_named() -> None:
    steal = (
        "import os, sys; f = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
    )
    with Talking() as device, board_at(device) as board:
        thief = subprocess.Popen(
            [sys.executable, "-c", steal, device.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert thief.stdout
        assert thief.stdout.readline() == "open\n"
        with pytest.raises(BoardBusyError, match=rf"bench-1 .*process {thief.pid} "):
            board.expect("never", timeout_s=0.3)
        thief.communicate(timeout=10)


def test_after_each_trouble_the_port_is_free_again() -> None:
    noise, babbling = random.Random(1), threading.Event()
    babbling.set()
    with Talking(says=lambda: noise.randbytes(40) if babbling.is_set() else b"") as device:
        with pytest.raises(BoardGarbledError):
            board_at(device)
        open_port(device.path, 115200, "nobody").close()
        babbling.clear()
        with board_at(device) as board:
            assert board.scpi("SYST:ERR?") == '0,"No error"'


def test_a_plain_socket_has_no_dtr_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(100):
                    connection.sendall(answer(data))

        thread = threading.Thread(target=serve)
        thread.start()
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with SerialBoard("bench-1", port, boot_wait_s=0.1, ask_s=2.0) as board:
            assert board.scpi("SYST:ERR?") == '0,"No error"'
            with pytest.raises(UnsupportedError, match=r"bench-1 .*carries no DTR line"):
                board.reset(Reset.DTR)
        thread.join(timeout=10)
        assert not thread.is_alive()
