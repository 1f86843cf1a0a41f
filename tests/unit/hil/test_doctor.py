"""`hil doctor` on machines that have everything, something, and nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from plantkeeper_hil import cli
from plantkeeper_hil.doctor import checks
from plantkeeper_hil.doctor.finding import Finding, State, render
from plantkeeper_hil.inventory.holding import lock_of


def one(found: object) -> Finding:
    [finding] = list(found)  # type: ignore[call-overload] # an iterable of findings
    assert isinstance(finding, Finding)
    return finding


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.slow
def test_where_nothing_is_installed_all_is_missing_and_each_has_its_command(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Bare Python, no site-packages, an empty PATH and home."""
    bare = {"PYTHONPATH": str(pytestconfig.rootpath / "hil"), "PATH": "", "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-S", "-m", "plantkeeper_hil.doctor"],
        cwd=tmp_path,
        env=bare | {"PLANTKEEPER_LOCKS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    for what in ("C compiler", "emulator", "PlatformIO", "AVR toolchain", "PostgreSQL wheel"):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{what} "))
        assert "MISSING" in lines[at]
        assert "→ " in lines[at + 2]
    for what in ("avrdude", "boards", "uhubctl", "Docker"):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{what} "))
        assert "absent" in lines[at]
        assert "→ " in lines[at + 2]
    assert lines[-1] == "5 missing"


def test_here_the_emulator_and_the_tests_have_all_they_need(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pytestconfig.rootpath)
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "everything that the simulator and the tests need is ready" in said


def test_a_port_that_may_not_be_opened_is_named_with_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    finding = one(checks.serial_permissions([device]))
    assert finding.state is State.ABSENT
    assert str(device) in finding.detail
    assert finding.remedy == "sudo usermod -aG dialout $USER, then log in again"


def test_a_port_that_may_be_opened(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    assert one(checks.serial_permissions([device])).state is State.READY


def test_who_holds_which_board_is_told(tmp_path: Path) -> None:
    with lock_of("A1", "uno-1", tmp_path) as lock:
        lock.acquire("tests")
        assert f"A1 by process {os.getpid()} (tests)" in one(checks.locks(tmp_path)).detail
    assert one(checks.locks(tmp_path)).detail == "none"


@pytest.mark.parametrize(
    ("script", "states"),
    [
        ('[ "$1" = version ] && echo 27.1 || echo 2.29.1', [State.READY, State.READY]),
        ('[ "$1" = version ] && exit 1 || echo v2.29.1', [State.ABSENT, State.READY]),
        ('[ "$1" = version ] && echo 20.10 || exit 1', [State.READY, State.ABSENT]),
        ('[ "$1" = version ] && echo 27.1 || echo 2.5.0', [State.READY, State.ABSENT]),
    ],
)
def test_docker_without_daemon_and_old_compose_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, states: list[State]
) -> None:
    program(tmp_path / "bin", "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert [finding.state for finding in checks.docker()] == states


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert one(checks.free_port(port)).state is State.ABSENT
    assert one(checks.free_port(port)).state is State.READY


def test_a_core_of_other_sources_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def other() -> None:
        raise ImportError("_core.so: compiled from another api.h; run pip install ./sim again\nmore")

    monkeypatch.setattr("plantkeeper_sim.avr.binding.load", other)
    finding = one(checks.emulator())
    assert (finding.state, finding.remedy) == (State.MISSING, checks.INSTALL)
    assert finding.detail.endswith("run pip install ./sim again")


def test_the_table_has_a_remedy_under_each_thing_that_lacks() -> None:
    table = render([Finding("a", State.READY, "1.0"), Finding("bcd", State.MISSING, "none", "make it", "all")])
    assert table.splitlines() == [
        "a    ready    1.0",
        "bcd  MISSING  none",
        "              needed for all",
        "              → make it",
        "",
        "1 missing",
    ]
