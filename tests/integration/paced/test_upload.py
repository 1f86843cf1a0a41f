"""Real avrdude and PlatformIO upload through Optiboot, which writes the emulated flash; then the firmware answers."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
import serial

from plantkeeper_hil.firmware import BuildResult, Toolchain
from plantkeeper_hil.project import Project
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Command = Callable[[Path], list[str]]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def ask(line: serial.Serial, query: str, *, within_s: float = 20) -> str:
    """The reply to a query; events are passed over. A command that the starting board misses is sent again."""
    deadline_s = monotonic() + within_s
    line.timeout = 2
    while monotonic() < deadline_s:
        line.write(f"{query}\n".encode())
        while answer := line.readline():
            if not answer.startswith(b"!") and answer.endswith(b"\r\n"):
                return answer.decode("ascii").strip()
    pytest.fail(f"no reply to {query} within {within_s} s")


def boot(line: serial.Serial) -> None:
    """Until the firmware says that it has started."""
    deadline_s = monotonic() + 20
    line.timeout = 2
    while monotonic() < deadline_s:
        if line.readline().startswith(b"!boot "):
            return
    pytest.fail("no !boot within 20 s")


def identity(board: BoardProcess) -> str:
    with serial.Serial(str(board.port), 115_200) as line:
        boot(line)
        return ask(line, "*IDN?")


def test_upload_verify_and_boot(board: BoardProcess, avrdude: Command, firmware: BuildResult) -> None:
    said = run(avrdude(firmware.hex_file))
    assert "bytes of flash verified" in said
    assert "device signature = 0x1e950f" in said
    assert identity(board).startswith("PlantKeeper,uno,7,")
    assert board.status()["resets"] == 2


def test_platformio_uploads(board: BoardProcess, firmware: BuildResult, hil_project: Project) -> None:
    """`pio run -t upload`, over the toolchain that built the firmware."""
    if firmware.toolchain is Toolchain.REGISTRY:
        pytest.skip("PlatformIO's own AVR platform toggles DTR, which a pseudo-terminal has not (docs/emulator.md)")
    settings = hil_project.firmware_dir / "platformio.system.ini"
    words = ["run", "-e", "uno", "--project-conf", str(settings), "-t", "nobuild", "-t", "upload"]
    uploaded = subprocess.run(
        [sys.executable, "-m", "platformio", *words, "--upload-port", str(board.port)],
        cwd=hil_project.firmware_dir,
        env=os.environ
        | {
            "PLATFORMIO_BUILD_DIR": str(firmware.elf.parents[1]),
            "PLATFORMIO_CORE_DIR": str(hil_project.build_dir / "platformio"),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = uploaded.stdout + uploaded.stderr
    assert uploaded.returncode == 0, said
    assert "bytes of flash verified" in said
    assert identity(board) == f"PlantKeeper,uno,7,{firmware.identity}"


@pytest.mark.parametrize("how", ["killed", "unplugged"])
def test_an_upload_that_broke_off_is_mended_by_the_next(
    board: BoardProcess, avrdude: Command, firmware: BuildResult, how: str
) -> None:
    image = firmware.hex_file
    with subprocess.Popen([*avrdude(image)], stderr=subprocess.PIPE) as upload:
        assert upload.stderr is not None
        wait_for(upload.stderr.fileno(), b"Writing | #####", within_s=30)
        if how == "unplugged":  # avrdude 7.1 never notices: it reads nothing, for ever
            board.unplug()
            board.plug()
        os.kill(upload.pid, signal.SIGKILL)
    with serial.Serial(str(board.port), 115_200, timeout=1) as line:
        assert handshake(line), "the bootloader does not answer any more"
    assert "bytes of flash verified" in run(avrdude(image))
    assert identity(board).startswith("PlantKeeper,uno,7,")


def test_flash_and_eeprom_outlive_the_process(tmp_path: Path, firmware: BuildResult) -> None:
    kept = ("--state", str(tmp_path / "kept"))
    with BoardProcess.start(tmp_path, firmware=firmware.elf, device_id=9, options=kept) as board:
        first = identity(board)
    with BoardProcess.start(tmp_path, options=kept) as board:
        assert identity(board) == first
        assert ",9," in first


def test_half_flashed_board(tmp_path: Path, firmware: BuildResult) -> None:
    """Nothing but the bootloader answers; the crash is told."""
    with BoardProcess.start(tmp_path, firmware=firmware.elf) as board:
        board.half_flash()
        with serial.Serial(str(board.port), 115_200, timeout=1) as line:
            assert handshake(line)


def handshake(line: serial.Serial, *, within_s: float = 10) -> bool:
    """STK500's GET_SYNC (0x30 0x20) until the bootloader answers INSYNC, OK (0x14 0x10)."""
    deadline_s = monotonic() + within_s
    answer = b""
    while monotonic() < deadline_s:
        line.write(b"\x30\x20")
        answer += line.read(2)
        if answer.endswith(b"\x14\x10"):
            return True
    return False


def wait_for(descriptor: int, text: bytes, *, within_s: float) -> None:
    deadline_s, said = monotonic() + within_s, b""
    while text not in said:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline_s - monotonic()))
        assert ready, f"{text!r} did not come within {within_s} s; it said {said!r}"
        said += os.read(descriptor, 4096)
