"""A run that cannot be set up says why, once, and leaves no verdict of an earlier run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DEADLINE_S = 120.0
REPORTS = ("report.json", "report.html", "junit.xml")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with the reports of an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    for name in REPORTS:
        (folder / name).write_text("an earlier run's verdict")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """A copy of what `hil sim` needs."""
    root = tmp_path / "checkout"
    for name in ("firmware", "tests/system"):
        shutil.copytree(pytestconfig.rootpath / name, root / name, ignore=shutil.ignore_patterns(".pio"))
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(pytestconfig.rootpath / name, root)
    return root


def sim(root: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "plantkeeper_hil", "sim", "--hours=1", f"--out={out}", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def expect_one_clear_message(finished: subprocess.CompletedProcess[str], out: Path, message: str) -> None:
    assert finished.returncode == 1, finished.stdout
    assert finished.stdout.count(message) == 1, finished.stdout
    assert "Traceback" not in finished.stdout
    assert ".py:" not in finished.stdout, finished.stdout
    assert len(finished.stdout.splitlines()) < 60, finished.stdout
    assert not (out / "report.json").exists()
    assert not (out / "report.html").exists()
    [error] = ElementTree.parse(out / "junit.xml").getroot().iter("error")
    assert message in (error.text or "")


def test_a_stack_that_does_not_come_up(out: Path, pytestconfig: pytest.Config) -> None:
    gateway = shlex.join([sys.executable, "-c", "print('boom'); raise SystemExit(7)"])
    finished = sim(pytestconfig.rootpath, out, f"--gateway={gateway}")
    expect_one_clear_message(finished, out, "ended with status 7")
    assert "boom" in finished.stdout


def test_a_firmware_that_does_not_build(out: Path, checkout: Path) -> None:
    (checkout / "firmware" / "src" / "broken.cpp").write_text("#error this board has no brain\n")
    finished = sim(checkout, out)
    expect_one_clear_message(finished, out, "the firmware does not build")
    assert "broken.cpp:1:2: error: #error this board has no brain" in finished.stdout


def test_an_option_that_makes_no_sense(out: Path, pytestconfig: pytest.Config) -> None:
    finished = sim(pytestconfig.rootpath, out, "--boards=0")
    assert finished.returncode == 2
    assert finished.stdout == "error: --boards 0: expected 1…100\n"
    assert list(out.iterdir()) == []


def test_control_a_run_that_can_be_set_up_leaves_all_reports(out: Path, pytestconfig: pytest.Config) -> None:
    finished = sim(pytestconfig.rootpath, out)
    assert finished.returncode == 0, finished.stdout
    assert "conserved: every reading is accounted for" in finished.stdout
    assert '"readings_taken": 12' in (out / "report.json").read_text()
    assert "Plotly.newPlot" in (out / "report.html").read_text()
    assert len(list(ElementTree.parse(out / "junit.xml").getroot().iter("testcase"))) >= 10
