"""Fixtures of the tests that drive a board through the whole loop."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from plantkeeper_hil.firmware import BuildResult, Toolchain, build_firmware
from plantkeeper_hil.observer import PLUGIN_NAME, Observer
from plantkeeper_hil.project import Project, find_project
from plantkeeper_hil.report.model import summary
from plantkeeper_hil.run.day import DayResult, run_day
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack.local import GATEWAY_COMMAND, LocalStack, StackOptions


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
    built = build_firmware(hil_project, toolchain=None if chosen == "auto" else Toolchain(chosen), say=observer.say)
    observer.say(
        f"  flash {built.flash_bytes} bytes, RAM {built.ram_bytes} bytes, "
        f"toolchain {built.toolchain.value}, {built.elf}"
    )
    return built


@pytest.fixture(scope="session")
def out_dir(pytestconfig: pytest.Config, hil_project: Project) -> Path:
    """Where reports and logs go."""
    chosen = pytestconfig.getoption("--hil-out")
    folder = Path(chosen) if chosen else hil_project.build_dir / "sim"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config, run_plan: RunPlan, out_dir: Path, observer: Observer) -> Iterator[LocalStack]:
    """PostgreSQL, mock backend, gateway and forwarder, running."""
    command = pytestconfig.getoption("--hil-gateway")
    options = StackOptions(
        log_dir=out_dir / "logs",
        devices=run_plan.boards,
        gateway_command=shlex.split(command) if command else GATEWAY_COMMAND,
        say=observer.say,
    )
    with LocalStack(options) as running:
        yield running


@pytest.fixture(scope="session")
def virtual_day(
    run_plan: RunPlan, firmware: BuildResult, stack: LocalStack, out_dir: Path, observer: Observer
) -> DayResult:
    """The run, finished and reported, whatever its verdict."""
    for stale in ("report.json", "report.html"):
        (out_dir / stale).unlink(missing_ok=True)
    observer.say(f"running {run_plan.boards} board(s) for {run_plan.hours:g} virtual hours, seed {run_plan.seed}")
    with observer.progress(run_plan.virtual_s * run_plan.boards) as progress:
        result = run_day(run_plan, firmware, stack, progress=progress)
    from plantkeeper_hil.report import html  # noqa: PLC0415 - plotly is heavy, and most tests make no report

    (out_dir / "report.json").write_text(json.dumps(summary(result.report), indent=2) + "\n")
    (out_dir / "report.html").write_text(html.render(result.report), encoding="utf-8")
    observer.result = result
    return result
