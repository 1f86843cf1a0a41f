"""pytest plugin: the options of a run. Fixtures are in fixtures.py."""

from __future__ import annotations

import pytest

from plantkeeper_hil.faults.reporter import REPORT, Reporter
from plantkeeper_hil.fixtures import COMPOSE, firmware, hil_project, observer, out_dir, run_plan, stack, virtual_day

__all__ = ["firmware", "hil_project", "observer", "out_dir", "run_plan", "stack", "virtual_day"]

FAULTS_READINGS = 12_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, all with a default."""
    group = parser.getgroup("plantkeeper", "the loop from board to backend")
    group.addoption("--hil-seed", type=int, default=1, metavar="N", help="seed of everything random (default 1)")
    group.addoption("--hil-hours", type=float, default=24.0, metavar="H", help="virtual hours (default 24)")
    group.addoption("--hil-boards", type=int, default=1, metavar="N", help="number of boards (default 1)")
    group.addoption("--hil-out", metavar="DIR", help="where reports go (default build/sim)")
    group.addoption(
        "--hil-gateway", metavar="COMMAND", help="gateway to test: a command that takes `serve` and `forward`"
    )
    group.addoption(
        "--hil-stack",
        choices=("local", COMPOSE),
        default="local",
        help="what the stack is made of: processes of this machine (default), or containers of Docker Compose",
    )
    group.addoption(
        "--hil-toolchain",
        choices=("auto", "registry", "system"),
        default="auto",
        help="where compiler and Arduino core come from (default auto: PlatformIO's registry, else the system)",
    )
    group.addoption(
        "--faults-readings",
        type=int,
        default=FAULTS_READINGS,
        metavar="N",
        help=f"acknowledged readings over all faults together (default {FAULTS_READINGS})",
    )
    group.addoption("--faults-report", metavar="FILE", default=str(REPORT), help=f"their figures (default {REPORT})")
    group.addoption("--faults-full", action="store_true", help="let faults last as long as they are meant to")


def pytest_configure(config: pytest.Config) -> None:
    """Have the faults' figures collected, by whoever sees all reports."""
    if not hasattr(config, "workerinput"):
        seed, wanted = config.getoption("--hil-seed"), config.getoption("--faults-readings")
        path = config.rootpath / config.getoption("--faults-report")
        config.pluginmanager.register(Reporter(seed=seed, wanted=wanted, path=path))


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed at the top of every run."""
    return (
        f"plantkeeper: seed {config.getoption('--hil-seed')}, {config.getoption('--hil-hours'):g} virtual hours, "
        f"{config.getoption('--hil-boards')} board(s)"
    )
