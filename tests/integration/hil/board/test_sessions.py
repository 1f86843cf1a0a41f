"""Sessions with a board as a person starts them: none attached, offline, held, with another firmware, and all well."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pty_device import Scripted

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.inventory.holding import lock_of
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OTHER = "PlantKeeper,uno,7,0.1.0+abc1234.elf-0123456789abcdef"
QUICK_S = 10.0


def hil(root: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PLANTKEEPER_BOARDS": str(place / "boards.yaml"),
        "PLANTKEEPER_LOCKS": str(place / "locks"),
    }
    return subprocess.run(
        [sys.executable, "-m", "plantkeeper_hil", *words],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


@pytest.mark.parametrize(
    "command", [("test",), ("flash",), ("test", "--hil-board=serial:/dev/none"), ("flash", "--board=serial:/dev/none")]
)
def test_without_a_board_it_ends_at_once_and_says_how_to_attach_one(
    root: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    started_s = time.monotonic()
    result = hil(root, tmp_path, *command)
    assert result.returncode == 2
    assert "Attach one by USB" in result.stderr
    assert time.monotonic() - started_s < QUICK_S


def test_an_offline_board_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "boards.yaml").write_text("- {id: sill, platform: uno, product: Uno, serial: A1}\n")
    result = hil(root, tmp_path, "test", "--hil-board=sill")
    assert result.returncode == 2
    assert "board sill (serial number A1) is not plugged in" in result.stderr
    assert "Offline: sill" in hil(root, tmp_path, "test").stderr


def test_a_held_board_is_not_used(root: Path, tmp_path: Path) -> None:
    with Scripted() as device, lock_of(device.path, "x", tmp_path / "locks") as lock:
        lock.acquire("somebody")
        result = hil(root, tmp_path, "test", f"--hil-board=serial:{device.path}")
    assert result.returncode == 2
    assert f"is held by process {os.getpid()} (somebody)" in result.stdout


def test_a_board_with_another_firmware_ends_the_session(root: Path, tmp_path: Path, firmware: BuildResult) -> None:
    def answer(data: bytes) -> bytes:
        return f"{OTHER}\r\n".encode() if b"*IDN?" in data else b""

    with Scripted(answer) as device:
        result = hil(
            root, tmp_path, "test", f"--hil-board=serial:{device.path}", "--skip-autoflash", f"--out={tmp_path}"
        )
    assert result.returncode == 2
    assert f"runs 0.1.0+abc1234.elf-0123456789abcdef, what was built is {firmware.identity}" in result.stdout
    assert "passed" not in result.stdout


def test_a_board_is_flashed_and_checked(root: Path, tmp_path: Path, firmware: BuildResult) -> None:
    with BoardProcess.start(tmp_path / "board") as board:
        result = hil(root, tmp_path, "flash", "--board", f"serial:{board.port}")
        assert result.returncode == 0, result.stdout + result.stderr
        assert f"runs {firmware.identity}" in result.stdout
        board.half_flash()
        result = hil(
            root, tmp_path, "test", f"--hil-board=serial:{board.port}", "--skip-autoflash", f"--out={tmp_path}"
        )
        assert result.returncode == 2
        assert "hil flash --board" in result.stdout


def test_an_upload_that_fails_tells_what_the_uploader_said(root: Path, tmp_path: Path) -> None:
    no_port = tmp_path / "file"
    no_port.touch()
    result = hil(root, tmp_path, "flash", "--board", f"serial:{no_port}")
    assert result.returncode == 2
    assert "the firmware cannot be uploaded" in result.stderr
    assert "avrdude" in result.stderr


def test_what_is_recorded_twice_is_alike_and_each_test_leaves_its_evidence(root: Path, tmp_path: Path) -> None:
    words = ("--hil-board=sim", f"--out={tmp_path / 'out'}", "-k", "reading_goes or wrong_command")
    for name in ("first", "second"):
        result = hil(root, tmp_path, "record", str(tmp_path / name), *words)
        assert result.returncode == 0, result.stdout + result.stderr
    compared = hil(root, tmp_path, "compare", str(tmp_path / "first"), str(tmp_path / "second"))
    assert compared.stdout.splitlines()[-1] == "2 alike, 0 part"
    folder = tmp_path / "first" / "test_board.test_a_reading_goes_all_the_way"
    assert "!delivered key=" in (folder / "serial.log").read_text()
    assert (folder / "gateway.http").read_text().startswith("POST /sensor-data HTTP/1.1")
    assert '"method": "PATCH"' in (folder / "backend.jsonl").read_text()
    assert '"device_id": 2' in (folder / "database.jsonl").read_text()
    junit = (tmp_path / "out" / "junit.xml").read_text()
    assert '<property name="firmware" value="0.1.0+' in junit
    assert '<property name="seed" value="1"' in junit
    assert_played_again(root, tmp_path)


def assert_played_again(root: Path, place: Path) -> None:
    """What was recorded, without a board: the same calls and answers pass, others are named."""
    recorded = f"--hil-board=recorded:{place / 'first'}"
    words = (recorded, f"--out={place / 'out'}", "-k", "test_board")
    result = hil(root, place, "test", *words, f"--hil-evidence={place / 'again'}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed, 7 skipped" in result.stdout
    assert "nothing is recorded of it" in result.stdout
    compared = hil(root, place, "compare", str(place / "first"), str(place / "again"))
    assert compared.stdout.splitlines()[-1] == "2 alike, 0 part"
    result = hil(root, place, "test", f"--hil-board=recorded:{place / 'none'}")
    assert (result.returncode, "no cassette.json in any folder there" in result.stderr) == (2, True)
    result = hil(root, place, "test", *words, f"--hil-evidence={place / 'first'}")
    assert "evidence goes there too; give another --hil-evidence" in result.stdout
    for name, then, now, told in (
        (
            "test_a_wrong_command_is_refused_by_number",
            "CONF:INT 5",
            "CONF:INT 6",
            r"call 1 is .*CONF:INT 5\\n.*on the cassette",
        ),
        (
            "test_a_reading_goes_all_the_way",
            '{\\"message\\":\\"stored\\"}',
            '{\\"message\\":\\"STORED\\"}',
            r"answer: .*stored.*on the cassette",
        ),
    ):
        cassette = place / "first" / f"test_board.{name}" / "cassette.json"
        assert then in cassette.read_text()
        cassette.write_text(cassette.read_text().replace(then, now))
        result = hil(root, place, "test", *words, f"--hil-evidence={place / 'again'}", "-k", name)
        assert result.returncode == 1, result.stdout
        assert re.search(told, result.stdout), result.stdout


def test_a_board_at_a_port_is_recorded_played_and_alike_to_the_simulator(root: Path, tmp_path: Path) -> None:
    """Its HTTP goes over its own network, as a W5500's does; the run that is judged is recorded too."""
    words = (f"--out={tmp_path / 'out'}", "-k", "reading_goes or after_a_reset or virtual_day", "--hil-readings=2")
    for name, board in (("sim", "--hil-board=sim"), ("port", "--emulated-board")):
        result = hil(root, tmp_path, "record", str(tmp_path / name), board, *words, "--hil-hours=1")
        assert result.returncode == 0, result.stdout + result.stderr
    compared = hil(root, tmp_path, "compare", str(tmp_path / "sim"), str(tmp_path / "port")).stdout
    assert compared.splitlines()[-1] == "2 alike, 0 part", compared
    assert "test_board.test_a_reading_goes_all_the_way (readings: 1 and " in compared
    assert "once   virtual_day" in compared
    played = (f"--hil-board=recorded:{tmp_path / 'port'}", f"--hil-evidence={tmp_path / 'again'}")
    result = hil(root, tmp_path, "test", *played, *words)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "13 passed" in result.stdout
    assert "skipped" not in result.stdout
