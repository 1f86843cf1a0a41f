"""The `hil` command; `hil sim`, `hil stack` and `hil firmware` are what the nox sessions of these names call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from plantkeeper_hil import board_session
from plantkeeper_hil.doctor.__main__ import report as doctor_report
from plantkeeper_hil.errors import HilError, UsageError
from plantkeeper_hil.firmware import command as firmware_command
from plantkeeper_hil.inventory import cli as boards_cli
from plantkeeper_hil.observer import PLUGIN_NAME, TerminalObserver
from plantkeeper_hil.project import Project, find_project
from plantkeeper_hil.report import files
from plantkeeper_hil.report.table import print_table
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack import foreground

USAGE_STATUS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the status is 0 where all went well."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if more and not hasattr(options, "pytest_words"):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.pytest_words = more
    try:
        project = find_project(Path.cwd())
        status: int = options.run(project, options)
    except HilError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_STATUS
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hil", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    toolchain = argparse.ArgumentParser(add_help=False)
    toolchain.add_argument(
        "--toolchain",
        choices=("auto", "registry", "system"),
        default="auto",
        help="compiler and Arduino core: PlatformIO's registry, the system's packages, or what can be had (default)",
    )

    sim = commands.add_parser(
        "sim",
        parents=[toolchain],
        help="run the whole loop on the simulator and account for every reading",
        description="Builds the firmware, starts the stack, lets emulated boards live through virtual time, and "
        "checks that every reading arrived once, in order and unaltered. Status 0 only if so.",
    )
    sim.add_argument("--seed", type=int, default=1, help="seed of everything random (default 1)")
    sim.add_argument("--hours", type=float, default=24.0, help="virtual hours (default 24)")
    sim.add_argument("--boards", type=int, default=1, help="number of boards, ids from 1 (default 1)")
    sim.add_argument("--out", type=Path, help="folder of the reports (default build/sim)")
    sim.add_argument("--gateway", metavar="COMMAND", help="another gateway: a command that takes `serve` and `forward`")
    sim.add_argument(
        "--stack",
        choices=("local", "compose"),
        default="local",
        help="processes of this machine (default), or containers of Docker Compose",
    )
    sim.set_defaults(run=_sim)

    stack = commands.add_parser(
        "stack",
        help="run the stack in the foreground until Ctrl-C",
        description="Starts PostgreSQL, mock backend, gateway and forwarder, prints where they are, writes "
        "build/stack.json, and ends everything on Ctrl-C.",
    )
    foreground.add_arguments(stack)
    stack.set_defaults(run=foreground.run)

    firmware = commands.add_parser("firmware", parents=[toolchain], help="build the firmware and report what it takes")
    firmware_command.add_arguments(firmware)

    doctor = commands.add_parser("doctor", help="what this machine can do, and the command that mends what it cannot")
    doctor.set_defaults(run=lambda project, _options: doctor_report(project.root))

    board_session.add_commands(commands, toolchain)

    boards = commands.add_parser("boards", help="the boards on this bench: scan, list, hold, release")
    boards_cli.add_arguments(boards)
    return parser


def _sim(project: Project, options: argparse.Namespace) -> int:
    out: Path = (options.out or project.build_dir / "sim").resolve()
    files.remove_stale(out, files.SUMMARY, files.PAGE, files.JUNIT)
    RunPlan(options.seed, options.hours, options.boards)  # a bad number is named before anything is started
    if options.gateway and options.stack != "local":
        raise UsageError(f"--gateway {options.gateway}: with --stack {options.stack} the gateway is the image's")
    out.mkdir(parents=True, exist_ok=True)
    words = [
        str(project.system_tests_dir),
        f"--rootdir={project.root}",
        f"--config-file={project.root / 'pyproject.toml'}",
        f"--hil-seed={options.seed}",
        f"--hil-hours={options.hours}",
        f"--hil-boards={options.boards}",
        f"--hil-toolchain={options.toolchain}",
        f"--hil-stack={options.stack}",
        f"--hil-out={out}",
        f"--junitxml={out / files.JUNIT}",
        "--tb=short",
        "-q",
        "-rN",  # what failed is shown in full; a summary would repeat it
        # this very process imported the package before pytest could rewrite its asserts; it has none
        *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
        *("-p", "no:cacheprovider"),
    ]
    if options.gateway:
        words.append(f"--hil-gateway={options.gateway}")
    with TerminalObserver() as observer:
        status = int(pytest.main(words, plugins=[_Run(observer)]))
        sys.stdout.flush()  # pytest's words first, also where they go to a file
        if observer.result is not None:
            print_table(observer.result.report, observer.console)
            observer.say(f"reports: {out / files.PAGE}, {files.SUMMARY}, {files.JUNIT}; logs: {out / 'logs'}")
        elif status != 0:
            observer.say(f"nothing was judged, so there is no report; logs: {out / 'logs'}")
    return status


class _Run:
    """Registers the observer under its name, by which the fixtures find it, and ends a run that cannot be set up."""

    def __init__(self, observer: TerminalObserver) -> None:
        self._observer = observer
        self._session: pytest.Session | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Called by pytest."""
        config.pluginmanager.register(self._observer, PLUGIN_NAME)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Called by pytest."""
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest; what one test could not have, no other will."""
        if report.when == "setup" and report.failed and self._session is not None:
            self._session.shouldfail = "the run could not be set up"
