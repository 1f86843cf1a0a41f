"""What is missing is installed where that is allowed, and named with its command where not."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from plantkeeper_hil import project, system_packages
from plantkeeper_hil.project import ProjectNotFoundError
from plantkeeper_hil.system_packages import GROUPS, MissingPackagesError, Need

ABSENT = Need("a frobnicator", lambda: False, ("frobnicator", "libfrob-dev"))


def test_nothing_is_said_where_nothing_is_missing() -> None:
    said: list[str] = []
    system_packages.ensure([Need("air", lambda: True, ("air",))], say=said.append)
    assert said == []


def test_a_person_who_is_not_root_gets_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    with pytest.raises(MissingPackagesError) as error:
        system_packages.ensure([ABSENT], say=print)
    assert "a frobnicator" in str(error.value)
    assert "sudo apt-get install --no-install-recommends frobnicator libfrob-dev" in str(error.value)


def test_what_the_build_needs_later_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    later = Need("a gadget", lambda: False, ("gadget", "libfrob-dev"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    with pytest.raises(MissingPackagesError) as error:
        system_packages.ensure([ABSENT], perhaps=[later, ABSENT], say=print)
    assert "registry cannot be reached, the build of the firmware needs these too: a gadget; all at once" in str(
        error.value
    )
    assert str(error.value).splitlines()[-1].endswith("install --no-install-recommends frobnicator gadget libfrob-dev")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(MissingPackagesError, match=r"these too: a gadget [(]on Debian: gadget libfrob-dev[)]"):
        system_packages.ensure([ABSENT], perhaps=[later], say=print)


def test_what_may_be_needed_later_stops_nobody() -> None:
    system_packages.ensure([], perhaps=[ABSENT], say=print)


def test_all_groups_are_told_in_one_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    groups = {name: (Need(f"tool {name}", lambda: False, (f"package-{name}",)),) for name in "abc"}
    monkeypatch.setattr(system_packages, "GROUPS", groups)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    assert system_packages.main(["a", "b", "--perhaps", "c"]) == 1
    said = capsys.readouterr().err
    assert "missing: tool a, tool b." in said
    assert "package-a package-b package-c" in said


def test_another_system_gets_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(MissingPackagesError, match="this system's package manager"):
        system_packages.ensure([ABSENT], say=print)


def test_root_installs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [False]
    said: list[str] = []
    ran: list[str] = []

    def apt_get(*words: str, say: object) -> None:
        ran.append(words[0])
        here[0] = words[0] == "install"

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    monkeypatch.setattr(system_packages, "_apt_get", apt_get)
    system_packages.ensure([Need("a thing", lambda: here[0], ("thing",))], say=said.append)
    assert ran == ["update", "install"]
    assert said == ["installing Debian packages for a thing: thing"]


def test_without_an_optional_thing_it_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    said: list[str] = []
    extra = Need("an extra", lambda: False, ("extra",), optional=True)
    system_packages.ensure([extra], say=said.append)
    assert [line.splitlines()[0] for line in said] == [
        "going on without an extra: missing: an extra. Install them with:"
    ]
    assert "sudo apt-get install --no-install-recommends extra" in said[0]
    with pytest.raises(MissingPackagesError, match="missing: a frobnicator"):
        system_packages.ensure([extra, ABSENT], say=said.append)


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lists of packages of our own for the real apt-get, from nowhere."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get on this system")
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "sources").mkdir()
    settings = {
        "Dir::State::Lists": tmp_path / "lists",
        "Dir::Cache": tmp_path,
        "Dir::Etc::SourceParts": tmp_path / "sources",
    }
    words = [f'{name} "{value}/";' for name, value in settings.items()] + ['Dir::Etc::SourceList "/dev/null";']
    (tmp_path / "apt.conf").write_text("\n".join(words))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setattr(system_packages, "LOCK_POLL_S", 0.02)
    return tmp_path / "lists"


def test_another_apt_get_is_waited_for(lists: Path) -> None:
    said: list[str] = []
    with (lists / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        freed = threading.Event()

        def say(line: str) -> None:
            said.append(line)
            fcntl.lockf(lock, fcntl.LOCK_UN)
            freed.set()

        system_packages._apt_get("update", "-qq", say=say, wait_s=60)
    assert freed.is_set()
    assert said == ["another program installs packages; waiting up to 60 s for it"]


def test_an_apt_get_that_never_ends_is_named(lists: Path) -> None:
    with (lists / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with pytest.raises(
            MissingPackagesError, match=r"(?s)apt-get update -qq failed .*Could not get lock .*lists/lock"
        ):
            system_packages._apt_get("update", "-qq", say=print, wait_s=0.3)


def test_what_else_fails_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package frobnicator")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(MissingPackagesError, match="Unable to locate package"):
        system_packages._apt_get("install", "frobnicator", say=print)
    assert commands == [["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "frobnicator"]]


def test_an_unknown_group_is_refused() -> None:
    for words in (["nonsense"], [], ["--perhaps", "firmware"], ["emulator", "--perhaps", "nonsense"]):
        assert system_packages.main(words) == 2
    assert set(GROUPS) == {"emulator", "firmware", "upload", "emulated-board", "tests", "bench", "bench-gateway"}


def test_outside_a_checkout_the_remedy_is_named(tmp_path: object) -> None:
    with pytest.raises(ProjectNotFoundError, match="call the command from the checkout"):
        project.find_project(tmp_path)  # type: ignore[arg-type]
