"""pytest plugin: the options of a run. Fixtures are in fixtures.py."""

from __future__ import annotations

import os

import pytest

from plantkeeper_hil.board.base import Capability
from plantkeeper_hil.board.choice import ACCEPTED, Simulated, from_environment
from plantkeeper_hil.faults.reporter import REPORT, Reporter
from plantkeeper_hil.fixtures import (
    COMPOSE,
    LOCAL,
    backend,
    bench_board,
    board,
    cassette,
    configured_board,
    database,
    emulated_eeprom,
    evidence,
    firmware,
    gateway,
    hil_project,
    observer,
    out_dir,
    relay,
    run_plan,
    stack,
    virtual_day,
)
from plantkeeper_hil.selection import available_boards, capabilities, choice_of

__all__ = [
    "backend",
    "bench_board",
    "board",
    "cassette",
    "configured_board",
    "database",
    "emulated_eeprom",
    "evidence",
    "firmware",
    "gateway",
    "hil_project",
    "observer",
    "out_dir",
    "relay",
    "run_plan",
    "stack",
    "virtual_day",
]

FAULTS_READINGS = 12_000
BOARD_READINGS = 6


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, all with a default."""
    group = parser.getgroup("plantkeeper", "the loop from board to backend")
    _add_board_options(group)
    group.addoption(
        "--hil-seed",
        type=int,
        default=int(from_environment(os.environ, "SEED", "1")),
        metavar="N",
        help="seed of everything random (default 1; PLANTKEEPER_HIL_SEED)",
    )
    group.addoption("--hil-hours", type=float, default=24.0, metavar="H", help="virtual hours (default 24)")
    group.addoption("--hil-boards", type=int, default=1, metavar="N", help="number of boards (default 1)")
    group.addoption("--hil-out", metavar="DIR", help="where reports go (default build/sim)")
    group.addoption(
        "--hil-gateway", metavar="COMMAND", help="gateway to test: a command that takes `serve` and `forward`"
    )
    group.addoption(
        "--hil-stack",
        metavar="STACK",
        default=from_environment(os.environ, "STACK", LOCAL),
        help=f"the stack: {LOCAL}, processes of this machine (default); {COMPOSE}, containers of Docker Compose; or "
        "the URL of the gateway of `nox -s stack` (PLANTKEEPER_HIL_STACK)",
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


def _add_board_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--hil-board",
        default=from_environment(os.environ, "BOARD", "sim"),
        metavar="BOARD",
        help=f"the board: {ACCEPTED} (default sim; PLANTKEEPER_HIL_BOARD)",
    )
    group.addoption(
        "--port",
        default=os.environ.get("PLANTKEEPER_HIL_PORT"),
        metavar="PORT",
        help="the board's serial port, as --hil-board=serial:PORT (PLANTKEEPER_HIL_PORT)",
    )
    group.addoption(
        "--baud",
        type=int,
        default=int(from_environment(os.environ, "BAUD", "0")) or None,
        metavar="N",
        help="its console's baud rate (default 115200; PLANTKEEPER_HIL_BAUD)",
    )
    group.addoption(
        "--hil-platform",
        metavar="ENVIRONMENT",
        help="of firmware/platformio.ini: uno, or uno_serial for a board without a network (default: what boards.yaml "
        "says, else uno)",
    )
    group.addoption(
        "--skip-autoflash",
        action="store_true",
        default=from_environment(os.environ, "SKIP_AUTOFLASH", "0") not in {"0", "no", "false"},
        help="do not flash a real board first; what it runs is checked all the same (PLANTKEEPER_HIL_SKIP_AUTOFLASH)",
    )
    group.addoption(
        "--hil-readings",
        type=int,
        default=BOARD_READINGS,
        metavar="N",
        help=f"readings of a real board in the run that is judged, one every 4 s (default {BOARD_READINGS})",
    )
    group.addoption("--hil-evidence", metavar="DIR", help="where tests leave their evidence (default build/evidence)")
    group.addoption(
        "--hil-gateway-host",
        metavar="ADDRESS",
        help="IPv4 address of this machine at which a real board reaches the gateway, and which it is told (default: "
        "127.0.0.1, untold)",
    )
    group.addoption("--hil-gateway-port", type=int, default=0, metavar="N", help="the port there (default: a free one)")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; have the faults' figures collected, by whoever sees all reports."""
    config.addinivalue_line(
        "markers",
        "needs(capability, …): what a board must be able to do beyond its console "
        f"({', '.join(c.value for c in Capability)}); a board that cannot skips the test, with the reason",
    )
    if not hasattr(config, "workerinput"):
        seed, wanted = config.getoption("--hil-seed"), config.getoption("--faults-readings")
        path = config.rootpath / config.getoption("--faults-report")
        config.pluginmanager.register(Reporter(seed=seed, wanted=wanted, path=path))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the seed and the boards at the top of every run."""
    hours, boards = config.getoption("--hil-hours"), config.getoption("--hil-boards")
    chosen = config.getoption("--port") or config.getoption("--hil-board")
    return [
        f"plantkeeper: seed {config.getoption('--hil-seed')}, {hours:g} virtual hours, {boards} board(s)",
        f"plantkeeper: board {chosen}{available_boards(config)}",
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that the chosen board cannot run, and say why."""
    needed = {Capability(word) for marker in item.iter_markers("needs") for word in marker.args}
    if not needed or isinstance(choice_of(item.config), Simulated):
        return
    name, has = capabilities(item.config)
    missing = sorted(capability.value for capability in needed - has)
    if missing:
        pytest.skip(f"board {name} cannot do {', '.join(missing)}")
