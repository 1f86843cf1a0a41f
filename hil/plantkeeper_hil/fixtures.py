"""Fixtures of the tests that drive a board through the whole loop."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plantkeeper_hil.errors import HilError
from plantkeeper_hil.firmware import BuildResult, Toolchain, build_firmware
from plantkeeper_hil.observer import PLUGIN_NAME, Observer
from plantkeeper_hil.project import Project, find_project
from plantkeeper_hil.report import files
from plantkeeper_hil.run.day import DayResult, run_day
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack.base import Stack
from plantkeeper_hil.stack.compose import ComposeOptions, ComposeStack
from plantkeeper_hil.stack.local import GATEWAY_COMMAND, LocalStack, StackOptions

COMPOSE = "compose"  # of --hil-stack


@contextmanager
def explained() -> Iterator[None]:
    """Show an error of the harness by its message alone: it says what to do, and a traceback would bury that."""
    try:
        yield
    except HilError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture(scope="session")
def hil_project(pytestconfig: pytest.Config) -> Project:
    """The checkout that the tests belong to."""
    return find_project(pytestconfig.rootpath)


@pytest.fixture(scope="session")
def observer(pytestconfig: pytest.Config) -> Observer:
    """Whoever watches the run."""
    plugin = pytestconfig.pluginmanager.get_plugin(PLUGIN_NAME)
    return plugin if isinstance(plugin, Observer) else Observer()


@pytest.fixture(scope="session")
def run_plan(pytestconfig: pytest.Config) -> RunPlan:
    """What the run is asked to do."""
    return RunPlan(
        seed=pytestconfig.getoption("--hil-seed"),
        hours=pytestconfig.getoption("--hil-hours"),
        boards=pytestconfig.getoption("--hil-boards"),
    )


@pytest.fixture(scope="session")
def firmware(pytestconfig: pytest.Config, hil_project: Project, observer: Observer) -> BuildResult:
    """The firmware, built from the checkout."""
    chosen = pytestconfig.getoption("--hil-toolchain")
    observer.say("building the firmware")
    toolchain = None if chosen == "auto" else Toolchain(chosen)
    with explained():
        built = build_firmware(hil_project, toolchain=toolchain, say=observer.say)
    observer.say(
        f"  flash {built.flash_bytes} bytes, RAM {built.ram_bytes} bytes, "
        f"toolchain {built.toolchain.value}, {built.elf}"
    )
    return built


@pytest.fixture(scope="session")
def out_dir(pytestconfig: pytest.Config, hil_project: Project, observer: Observer) -> Iterator[Path]:
    """Where reports and logs go; an earlier run's verdict is removed before this one can fail.

    The page is written when the stack has gone, since what it takes plotly to do so is as much as the stack takes.
    """
    chosen = pytestconfig.getoption("--hil-out")
    folder = Path(chosen) if chosen else hil_project.build_dir / "sim"
    folder.mkdir(parents=True, exist_ok=True)
    files.remove_stale(folder, files.SUMMARY, files.PAGE)
    yield folder
    if observer.result is not None:
        files.write_page(observer.result.report, folder)


@pytest.fixture(scope="session")
def stack(
    pytestconfig: pytest.Config, hil_project: Project, run_plan: RunPlan, out_dir: Path, observer: Observer
) -> Iterator[Stack]:
    """PostgreSQL, mock backend, gateway and forwarder, running."""
    command = pytestconfig.getoption("--hil-gateway")
    made: Stack
    if pytestconfig.getoption("--hil-stack") == COMPOSE:
        made = ComposeStack(
            ComposeOptions(hil_project.root, log_dir=out_dir / "logs", devices=run_plan.boards, say=observer.say)
        )
    else:
        options = StackOptions(
            log_dir=out_dir / "logs",
            devices=run_plan.boards,
            gateway_command=shlex.split(command) if command else GATEWAY_COMMAND,
            say=observer.say,
        )
        made = LocalStack(options)
    with explained(), made as running:
        yield running


@pytest.fixture(scope="session")
def virtual_day(out_dir: Path, run_plan: RunPlan, firmware: BuildResult, stack: Stack, observer: Observer) -> DayResult:
    """The run, finished and reported, whatever its verdict."""
    observer.say(f"running {run_plan.boards} board(s) for {run_plan.hours:g} virtual hours, seed {run_plan.seed}")
    with explained(), observer.progress(run_plan.virtual_s * run_plan.boards) as progress:
        result = run_day(run_plan, firmware, stack, progress=progress)
    files.write_summary(result.report, out_dir)
    observer.result = result
    return result
