"""Fixtures of the tests that drive a board through the whole loop."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.bench_board import BenchBoard
from plantkeeper_hil.board.base import Board, ConsoleBoard
from plantkeeper_hil.board.cassette import Cassette
from plantkeeper_hil.board.choice import Recorded, Simulated
from plantkeeper_hil.board.emulated import EmulatedBoard
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.errors import HilError
from plantkeeper_hil.evidence import EvidenceFolder, folder_name
from plantkeeper_hil.firmware import BuildResult, Toolchain, build_firmware
from plantkeeper_hil.observer import PLUGIN_NAME, Observer
from plantkeeper_hil.project import Project, find_project
from plantkeeper_hil.recordings import RUN, evidence_root, facts_of, firmware_facts, kept, recording_of
from plantkeeper_hil.report import files
from plantkeeper_hil.run.day import DayResult, run_day
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.run.real import PERIOD_S, run_real, store_settings
from plantkeeper_hil.selection import choice_of, platform_of, take_board
from plantkeeper_hil.stack.base import Stack
from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_hil.stack.compose import ComposeOptions, ComposeStack
from plantkeeper_hil.stack.local import GATEWAY_COMMAND, LocalStack, StackOptions
from plantkeeper_hil.stack.running import RunningStack
from plantkeeper_hil.stack.service import listening_socket
from plantkeeper_hil.traffic.relay import Relay
from plantkeeper_sim.avr import load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import BoardConfig

LOCAL, COMPOSE = "local", "compose"  # of --hil-stack
LOOPBACK = "127.0.0.1"
FIRST_DEVICE = 1
NO_BOARD_STATUS = 2


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
        built = build_firmware(
            hil_project, environment=platform_of(pytestconfig), toolchain=toolchain, say=observer.say
        )
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
    chosen = pytestconfig.getoption("--hil-stack")
    if chosen == COMPOSE:
        made = ComposeStack(
            ComposeOptions(hil_project.root, log_dir=out_dir / "logs", devices=run_plan.boards + 1, say=observer.say)
        )
    elif chosen != LOCAL:
        made = RunningStack(chosen, hil_project.build_dir / "stack.json")
    else:
        options = StackOptions(
            log_dir=out_dir / "logs",
            devices=run_plan.boards + 1,
            gateway_command=shlex.split(command) if command else GATEWAY_COMMAND,
            say=observer.say,
        )
        made = LocalStack(options)
    with explained(), made as running:
        yield running


@pytest.fixture(scope="session")
def relay(pytestconfig: pytest.Config, stack: Stack) -> Iterator[Relay]:
    """Where boards post to: passes their bytes on to the stack's gateway, and records them."""
    host = pytestconfig.getoption("--hil-gateway-host") or LOOPBACK
    with explained():
        listener = listening_socket(host, pytestconfig.getoption("--hil-gateway-port"))
    with Relay(listener, to=(LOOPBACK, stack.gateway_port)) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(stack: Stack) -> str:
    """The gateway's URL, as seen from this machine."""
    return f"http://{LOOPBACK}:{stack.gateway_port}"


@pytest.fixture(scope="session")
def backend(stack: Stack) -> BackendClient:
    """The mock backend."""
    return stack.backend


@pytest.fixture(scope="session")
def database(stack: Stack) -> DatabaseClient:
    """What is stored."""
    return stack.database


@pytest.fixture(scope="session")
def bench_board(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, hil_project: Project, observer: Observer
) -> Iterator[BenchBoard | None]:
    """The real board of the session, locked, flashed and checked; None where it is the emulator, or played.

    What it runs must be what was built; else the session ends here.
    """
    if isinstance(choice_of(pytestconfig), Simulated | Recorded):
        yield None
        return
    firmware: BuildResult = request.getfixturevalue("firmware")
    try:
        taken = take_board(pytestconfig)
    except HilError as error:
        pytest.exit(str(error), returncode=NO_BOARD_STATUS)
    with taken:
        try:
            if not pytestconfig.getoption("--skip-autoflash"):
                taken.flash(hil_project, firmware, observer.say)
            taken.check(firmware)
        except HilError as error:
            pytest.exit(str(error), returncode=NO_BOARD_STATUS)
        yield taken


@pytest.fixture(scope="session")
def configured_board(
    pytestconfig: pytest.Config, bench_board: BenchBoard | None, relay: Relay
) -> Iterator[BenchBoard | None]:
    """The real board, set up to post to the stack every 4 s; afterwards it has its own settings again."""
    if bench_board is None:
        yield None
        return
    settings: dict[str, object] = {"CONF:DEV:ID": FIRST_DEVICE, "CONF:INT": PERIOD_S}
    host = pytestconfig.getoption("--hil-gateway-host")
    if host:
        settings |= {"CONF:NET:SERV": host, "CONF:NET:PORT": relay.port}
    bench_board.route = lambda _address, _port: relay.address
    with explained():
        with bench_board.open() as board:
            before = {header: board.scpi(f"{header}?") for header in settings}
            store_settings(board, settings)
        yield bench_board
        if before["CONF:DEV:ID"] != "0":  # a board that nobody had configured keeps what it has now
            with bench_board.open() as board:
                store_settings(board, before)


@pytest.fixture(scope="session")
def emulated_eeprom() -> list[bytes]:
    """The emulated board's EEPROM from test to test, as a real one's: its boot numbers never repeat."""
    return []


@pytest.fixture
def cassette(pytestconfig: pytest.Config, request: pytest.FixtureRequest, hil_project: Project) -> Cassette | None:
    """What was recorded of the test, where the board is a played one."""
    with explained():
        return recording_of(pytestconfig, hil_project, folder_name(request.node.nodeid))


@pytest.fixture
def evidence(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, hil_project: Project, cassette: Cassette | None
) -> Iterator[EvidenceFolder]:
    """The test's folder of evidence; its facts, a recording's where one is played, are JUnit properties too."""
    if cassette is not None:
        facts = dict(cassette.facts)
    else:
        facts = facts_of(pytestconfig, hil_project, request.getfixturevalue("firmware"))
    facts |= {"test": request.node.nodeid}
    folder = EvidenceFolder(evidence_root(pytestconfig, hil_project) / folder_name(request.node.nodeid), facts)
    yield folder
    folder.keep_facts()
    request.node.user_properties.extend((name, str(value)) for name, value in folder.facts.items())


@pytest.fixture
def board(  # noqa: PLR0917 - pytest asks for fixtures by position
    request: pytest.FixtureRequest,
    run_plan: RunPlan,
    configured_board: BenchBoard | None,
    cassette: Cassette | None,
    stack: Stack,
    relay: Relay,
    emulated_eeprom: list[bytes],
    evidence: EvidenceFolder,
) -> Iterator[Board]:
    """The board, fresh from a start, posting to the stack's gateway every 4 s."""
    if cassette is not None:
        failed_before = request.session.testsfailed
        played = RecordedBoard(cassette, gateway=relay.address)
        with explained(), kept(evidence, played, stack, relay):
            yield played
            if request.session.testsfailed == failed_before:  # else the test broke off, and says so itself
                played.check_finished()
        return
    if configured_board is not None:
        with explained():
            opened = configured_board.open()
        evidence.facts |= {"board": opened.name, "board_serial": configured_board.entry.serial or ""}
        with opened, kept(evidence, opened, stack, relay):
            yield opened
        return
    firmware: BuildResult = request.getfixturevalue("firmware")
    config = BoardConfig(run_plan.boards + 1, period_s=PERIOD_S)  # beside the boards of the virtual day
    eeprom = emulated_eeprom.pop() if emulated_eeprom else None
    uno = UnoBoard(load_elf(firmware.elf), config, seed=run_plan.seed, eeprom=eeprom)
    uno.network.map(str(config.gateway), config.gateway_port, to=relay.address)
    evidence.facts["board"] = f"sim-{config.device_id}"
    with EmulatedBoard(uno) as emulated, kept(evidence, emulated, stack, relay):
        yield emulated
    emulated_eeprom.append(uno.mcu.eeprom)


@pytest.fixture(scope="session")
def virtual_day(  # noqa: PLR0917 - pytest asks for fixtures by position
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    hil_project: Project,
    out_dir: Path,
    run_plan: RunPlan,
    configured_board: BenchBoard | None,
    stack: Stack,
    relay: Relay,
    observer: Observer,
) -> DayResult:
    """The run, finished and reported, whatever its verdict: a virtual day, or readings of a real or played board."""
    with explained():
        recorded = recording_of(pytestconfig, hil_project, RUN)
    if recorded is not None:
        with RecordedBoard(recorded, gateway=relay.address) as played:
            result = _judged_run(played, dict(recorded.facts), stack, relay, observer)
            played.check_finished()
    elif configured_board is not None:
        facts = facts_of(pytestconfig, hil_project, request.getfixturevalue("firmware")) | {
            "readings": pytestconfig.getoption("--hil-readings"),
            "board_serial": configured_board.entry.serial or "",
        }
        folder = EvidenceFolder(evidence_root(pytestconfig, hil_project) / RUN, facts)
        with explained(), configured_board.open() as board, kept(folder, board, stack, relay):
            result = _judged_run(board, facts, stack, relay, observer)
        folder.keep_facts()
    else:
        observer.say(f"running {run_plan.boards} board(s) for {run_plan.hours:g} virtual hours, seed {run_plan.seed}")
        firmware: BuildResult = request.getfixturevalue("firmware")
        with explained(), observer.progress(run_plan.virtual_s * run_plan.boards) as progress:
            result = run_day(run_plan, firmware, stack, progress=progress)
    files.write_summary(result.report, out_dir)
    observer.result = result
    return result


def _judged_run(
    board: ConsoleBoard, facts: dict[str, Any], stack: Stack, relay: Relay, observer: Observer
) -> DayResult:
    readings = facts["readings"]
    observer.say(f"{board}: {readings} readings")
    with explained(), observer.progress(readings * PERIOD_S) as progress:
        return run_real(
            board, firmware_facts(facts), stack, relay, readings=readings, seed=facts["seed"], progress=progress
        )
