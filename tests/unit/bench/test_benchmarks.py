"""Every benchmark that noxfile.py names is there; the emulator's runs, and all emulators agree."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from plantkeeper_sim.bench import emulator
from plantkeeper_sim.bench.peer import AbsentError, Peer
from plantkeeper_sim.bench.program import Program, compile_program

ROOT = Path(__file__).parents[3]


def benchmarks() -> dict[str, str]:
    """BENCHMARKS of noxfile.py, read without nox."""
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BENCHMARKS":
            found = ast.literal_eval(node.value)
            return {name: module for name, (module, *_) in found.items()}
    pytest.fail("noxfile.py has no BENCHMARKS")


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("module", benchmarks().values(), ids=benchmarks())
def test_every_benchmark_answers_to_help(module: str) -> None:
    said = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "--out" in said.stdout


@pytest.mark.slow
@pytest.mark.integration
def test_the_emulator_benchmark_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Short, and nothing is fetched: what is measured is not asserted, that all came to the same end is."""

    def not_fetched(_program: Program, _cache: Path) -> Peer:
        raise AbsentError("not fetched by a test")

    monkeypatch.setattr(emulator, "Avr8js", not_fetched)
    out = tmp_path / "bench" / "emulator.json"
    assert emulator.main(["--out", str(out), "--rounds", "1", "--passes", "20"]) == 0
    record = json.loads(out.read_text())
    assert {"ours_cycles_per_s", "simavr_cycles_per_s", "ratio", "cycles", "absent"} <= set(record)
    assert record["ratio"] == pytest.approx(record["ours_cycles_per_s"] / record["simavr_cycles_per_s"])
    assert ("qemu_ratio" in record) != ("qemu" in record["absent"])
    assert "avr8js    absent: not fetched by a test" in capsys.readouterr().out


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AbsentError, match="no avr-gcc"):
        compile_program(tmp_path, passes=1)
