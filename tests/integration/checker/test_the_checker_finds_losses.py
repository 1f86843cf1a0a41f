"""`hil sim` against a gateway that loses readings must fail and name them; the same gateway unmutated must pass."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BROKEN_GATEWAY = Path(__file__).with_name("broken_gateway.py")
TIMEOUT_S = 240


def run_sim(out: Path, root: Path, lose_every: int) -> tuple["subprocess.CompletedProcess[str]", dict[str, object]]:
    words = ["sim", "--hours=24", f"--out={out}", f"--gateway={sys.executable} {BROKEN_GATEWAY}"]
    finished = subprocess.run(
        [sys.executable, "-m", "plantkeeper_hil", *words],
        cwd=root,
        env={**os.environ, "LOSE_EVERY": str(lose_every)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    report = json.loads((out / "report.json").read_text())
    return finished, report


def test_every_lost_reading_is_named(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    finished, report = run_sim(tmp_path, pytestconfig.rootpath, lose_every=50)
    lost = ["1-50", "1-100", "1-150", "1-200", "1-250"]
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert report["readings_lost"] == 5
    assert [finding["key"] for finding in report["findings"]] == lost  # type: ignore[attr-defined]
    assert {finding["kind"] for finding in report["findings"]} == {"lost"}  # type: ignore[attr-defined]
    for key in lost:
        assert f"device 1 reading {key} lost" in finished.stdout
    failures = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("failure")
    assert any("reading 1-50 lost" in (failure.text or "") for failure in failures)


def test_control_without_the_mutation_passes(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    finished, report = run_sim(tmp_path, pytestconfig.rootpath, lose_every=0)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (report["readings_taken"], report["readings_lost"], report["findings"]) == (288, 0, [])
