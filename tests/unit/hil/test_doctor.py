"""`hil doctor` on machines that have everything, something, and nothing."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from plantkeeper_hil import cli
from plantkeeper_hil.doctor import checks, remedies
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
    for what in ("C compiler", "emulator", "PlatformIO", "AVR toolchain", "PostgreSQL wheel", "test programs"):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{what} "))
        assert "MISSING" in lines[at]
        assert "→ " in lines[at + 2]
    for what in ("nox", "git", "avrdude", "boards", "uhubctl", "Docker"):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{what} "))
        assert "absent" in lines[at]
        assert "→ " in lines[at + 2]
    assert lines[-1] in {"6 missing", "7 missing"}  # with -S, pip is not found either


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
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    finding = one(checks.serial_permissions([device]))
    assert finding.state is State.ABSENT
    assert str(device) in finding.detail
    assert finding.remedy == f"sudo usermod -aG dialout {pwd.getpwuid(os.getuid()).pw_name}, then log in again"


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
        ('[ "$1" = version ] && echo 27.1 || echo 2.23.3', [State.READY, State.ABSENT]),
    ],
)
def test_docker_without_daemon_and_old_compose_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, states: list[State]
) -> None:
    program(tmp_path / "bin", "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert [finding.state for finding in checks.docker()] == states


def test_a_daemon_that_may_not_be_asked_is_told_from_one_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "docker", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(checks, "DOCKER_SOCKET", tmp_path / "docker.sock")
    assert "systemctl start docker" in next(iter(checks.docker())).remedy
    (tmp_path / "docker.sock").touch()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).suffix != ".sock" and allowed(path, mode))
    assert "usermod -aG" in next(iter(checks.docker())).remedy


@pytest.mark.parametrize(
    ("euid", "sudo", "command"),
    [
        (0, None, "x 'y'"),
        (0, "/usr/bin/sudo", "x 'y'"),
        (7, "/usr/bin/sudo", "sudo x 'y'"),
        (7, None, """su -l -c "x 'y'" """),
    ],
)
def test_root_is_asked_for_as_this_machine_allows(
    monkeypatch: pytest.MonkeyPatch, euid: int, sudo: str | None, command: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(shutil, "which", lambda _name: sudo)
    assert shlex.split(remedies.as_root("x 'y'")) == shlex.split(command)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_packages_go_into_a_virtual_environment_where_python_belongs_to_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, marked: bool, inside: bool
) -> None:
    if marked:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", "/somewhere/.venv" if inside else sys.base_prefix)
    into_venv = remedies.pip("nox").startswith("python3 -m venv .venv && . .venv/bin/activate && python3 -m pip")
    assert into_venv == (marked and not inside)


@pytest.mark.parametrize(
    ("release", "remedy"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "docker.io docker-compose-v2"),
        ('ID=debian\nVERSION_ID="13"\n', "apt-get install docker.io docker-compose"),
        ("ID=debian\n", "apt-get install docker.io docker-compose"),
        ('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n', "get.docker.com"),
        ("ID=fedora\n", "get.docker.com"),
        ("", "get.docker.com"),
    ],
)
def test_docker_comes_from_where_the_system_has_compose_v2(tmp_path: Path, release: str, remedy: str) -> None:
    (tmp_path / "os-release").write_text(release)
    assert remedy in remedies.docker(remedies.os_release(tmp_path / "os-release"))


def test_a_python_that_makes_no_environments_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's, without python3-venv."""
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ensurepip" else object())
    finding = one(checks.python())
    assert (finding.state, finding.remedy.rpartition(" ")[2]) == (State.MISSING, "python3-venv")


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
    assert (finding.state, finding.remedy) == (State.MISSING, remedies.pip(remedies.PROJECT))
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


def test_a_python_that_is_too_old_is_told_before_anything_fails_of_it(pytestconfig: pytest.Config) -> None:
    script = (
        "import runpy, sys; sys.version_info = (3, 10, 13, 'final', 0); "
        "runpy.run_module('plantkeeper_hil.doctor', run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(pytestconfig.rootpath / "hil")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "MISSING  3.10 runs this, 3.11 or later is needed" in result.stderr
    assert "Traceback" not in result.stderr
