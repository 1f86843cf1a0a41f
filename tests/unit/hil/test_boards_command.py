"""`hil boards`: what it prints, its status, and a hold that another process sees and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plantkeeper_hil import cli
from plantkeeper_hil.inventory import usb
from plantkeeper_hil.inventory.holding import lock_of
from plantkeeper_hil.inventory.usb import UsbPort

UNO = UsbPort("/dev/ttyACM0", 0x2341, 0x0043, "75830303934351F0E1", "1-1")
CLONE = UsbPort("/dev/ttyUSB0", 0x1A86, 0x7523, None, "1-2", "USB2.0-Serial")


@pytest.fixture(autouse=True)
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.chdir(pytestconfig.rootpath)
    monkeypatch.setenv("PLANTKEEPER_BOARDS", str(tmp_path / "boards.yaml"))
    monkeypatch.setenv("PLANTKEEPER_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("COLUMNS", "200")


def plug(monkeypatch: pytest.MonkeyPatch, *ports: UsbPort) -> None:
    monkeypatch.setattr(usb, "scan", lambda: list(ports))


def test_a_scan_lists_new_boards_and_names_what_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plug(monkeypatch, UNO, CLONE)
    assert cli.main(["boards", "scan"]) == 0
    said = capsys.readouterr().out
    assert "uno-51f0e1" in said
    assert "/dev/ttyUSB0 (USB2.0-Serial, at 1-2) has no serial number" in said
    assert "serial: 75830303934351F0E1" in (tmp_path / "boards.yaml").read_text()


def test_without_a_board_it_says_how_to_attach_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch)
    for command in ("scan", "list"):
        assert cli.main(["boards", command]) == 1
        said = capsys.readouterr().out
        assert said.startswith("no board is plugged in. Attach one by USB"), "no empty table before it"
        assert said.endswith("without hardware: `nox -s hil -- --emulated-board`\n")


def test_a_board_that_was_unplugged_is_still_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, UNO)
    cli.main(["boards", "scan"])
    plug(monkeypatch)
    capsys.readouterr()
    assert cli.main(["boards", "list"]) == 0
    assert "no" in next(line for line in capsys.readouterr().out.splitlines() if "uno-51f0e1" in line).split()


def test_an_unknown_board_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plug(monkeypatch, UNO)
    cli.main(["boards", "scan"])
    assert cli.main(["boards", "hold", "uno-51f0e2"]) == 2
    assert "near it: uno-51f0e1" in capsys.readouterr().err


@pytest.mark.slow
def test_a_hold_is_seen_respected_and_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, UNO)
    cli.main(["boards", "scan"])
    hold = [sys.executable, "-m", "plantkeeper_hil", "boards", "hold", "uno-51f0e1", "--reason", "soldering"]
    with subprocess.Popen(hold, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert "is yours" in holder.stdout.readline()
        capsys.readouterr()
        assert cli.main(["boards", "list"]) == 0
        assert f"process {holder.pid} (hold: soldering)" in capsys.readouterr().out
        assert cli.main(["boards", "hold", "uno-51f0e1"]) == 2
        assert f"held by process {holder.pid} (hold: soldering)" in capsys.readouterr().err
        assert cli.main(["boards", "release", "uno-51f0e1"]) == 0
        assert holder.wait(timeout=10) == 0
    assert cli.main(["boards", "release", "uno-51f0e1"]) == 0
    assert "held by nobody" in capsys.readouterr().out


@pytest.mark.slow
def test_a_dead_holder_is_told_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plug(monkeypatch, UNO)
    cli.main(["boards", "scan"])
    hold = [sys.executable, "-m", "plantkeeper_hil", "boards", "hold", "uno-51f0e1"]
    with subprocess.Popen(hold, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        os.kill(holder.pid, signal.SIGKILL)
    cli.main(["boards", "list"])
    assert f"nobody (process {holder.pid} died)" in capsys.readouterr().out


def test_a_board_in_a_test_run_is_not_taken_from_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plug(monkeypatch, UNO)
    cli.main(["boards", "scan"])
    with lock_of("75830303934351F0E1", "uno-51f0e1", tmp_path / "locks") as lock:
        lock.acquire("tests")
        assert cli.main(["boards", "release", "uno-51f0e1"]) == 2
        assert "in use by process" in capsys.readouterr().err
