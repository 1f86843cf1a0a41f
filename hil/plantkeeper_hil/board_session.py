"""`hil test` and `hil flash`: the system tests on a board, and the firmware on one."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from plantkeeper_hil.bench_board import BenchBoard, candidates, require_port
from plantkeeper_hil.board.cassette import Cassette
from plantkeeper_hil.board.choice import Auto, Recorded, Simulated, from_environment, parse
from plantkeeper_hil.board.compare import compare
from plantkeeper_hil.errors import HilError
from plantkeeper_hil.evidence import CASSETTE
from plantkeeper_hil.firmware import Toolchain, build_firmware
from plantkeeper_hil.inventory import boards_file
from plantkeeper_hil.project import Project
from plantkeeper_hil.recordings import check_recordings
from plantkeeper_sim.paced.process import BoardProcess
from plantkeeper_sim.provision import GATEWAY, GATEWAY_PORT

LOOPBACK = "127.0.0.1"


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], toolchain: argparse.ArgumentParser
) -> None:
    """The two commands and their options."""
    test = commands.add_parser(
        "test",
        help="flash a board and run the system tests on it",
        description="Builds the firmware, flashes a board, checks that it runs the very ELF, and runs the system "
        "tests on it. "
        "Further words go to pytest: --hil-board=ID, --hil-board=serial:/dev/ttyACM0, --skip-autoflash … "
        "(docs/hil.md).",
    )
    test.add_argument("--hil-board", default=from_environment(os.environ, "BOARD", "auto"), help="default auto")
    test.add_argument(
        "--emulated-board",
        action="store_true",
        help="no hardware: an emulated board at a pseudo-terminal, erased but for its boot loader, in real time",
    )
    test.add_argument("--out", type=Path, help="folder of the reports (default build/hil)")
    test.set_defaults(run=_test, pytest_words=[])

    record = commands.add_parser(
        "record",
        help="as `hil test`, keeping each test's serial and HTTP traffic as a cassette in a folder",
    )
    record.add_argument("folder", type=Path, help="DIR/<test>/cassette.json")
    record.add_argument(
        "--hil-board", default=from_environment(os.environ, "BOARD", "auto"), help="default auto; or sim"
    )
    record.add_argument("--emulated-board", action="store_true", help="as of `hil test`")
    record.add_argument("--out", type=Path, help="folder of the reports (default build/hil)")
    record.set_defaults(run=_record, pytest_words=[])

    compare = commands.add_parser("compare", help="show where two recordings part, such as simulator and hardware")
    compare.add_argument("first", type=Path)
    compare.add_argument("second", type=Path)
    compare.set_defaults(run=_compare)

    flash = commands.add_parser("flash", parents=[toolchain], help="build the firmware, flash a board, and check it")
    flash.add_argument(
        "--board", default=from_environment(os.environ, "BOARD", "auto"), help="as --hil-board of pytest"
    )
    flash.set_defaults(run=_flash)


def _record(project: Project, options: argparse.Namespace) -> int:
    options.pytest_words = [f"--hil-evidence={options.folder.resolve()}", *options.pytest_words]
    return _test(project, options)


def _compare(_project: Project, options: argparse.Namespace) -> int:
    names = [{path.parent.name for path in folder.glob(f"*/{CASSETTE}")} for folder in (options.first, options.second)]
    both = sorted(names[0] & names[1])
    if not both:
        raise HilError(f"no test is in both {options.first} and {options.second}; record both with hil record")
    parted = 0
    for name in both:
        compared = compare(*(Cassette.load(folder / name / CASSETTE) for folder in (options.first, options.second)))
        ours, theirs, both_took = compared.readings
        word = "PARTS" if compared.difference else "alike"
        print(f"{word}  {name} (readings: {ours} and {theirs}, {both_took} compared)")
        print("".join(f"  {line}\n" for line in compared.difference), end="")
        parted += bool(compared.difference)
    for name in sorted(names[0] ^ names[1]):
        print(f"once   {name} (only in {options.first if name in names[0] else options.second})")
    print(f"{len(both) - parted} alike, {parted} part")
    return int(parted > 0)


def _test(project: Project, options: argparse.Namespace) -> int:
    out: Path = (options.out or project.build_dir / "hil").resolve()
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if options.emulated_board:
            board = stack.enter_context(_emulated(out / "board"))
        else:
            words, choice = options.pytest_words, parse(options.hil_board)
            by_port = any(word.split("=")[0] == "--port" for word in words)
            if not by_port and not isinstance(choice, Simulated | Recorded):
                # before anything is built: who has no board is told so at once
                found = candidates(choice, boards_file.load(boards_file.path_of(project)))
                if not isinstance(choice, Auto):
                    require_port(found[0])
            if isinstance(choice, Recorded):
                check_recordings(choice.folder)
            board = [f"--hil-board={options.hil_board}"]
        return int(
            pytest.main(
                [
                    str(project.system_tests_dir),
                    f"--rootdir={project.root}",
                    f"--config-file={project.root / 'pyproject.toml'}",
                    *board,
                    f"--hil-out={out}",
                    f"--junitxml={out / 'junit.xml'}",
                    "-rs",
                    # this very process imported the package before pytest could rewrite its asserts; it has none
                    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
                    *("-p", "no:cacheprovider"),
                    *options.pytest_words,
                ]
            )
        )


@contextlib.contextmanager
def _emulated(folder: Path) -> Iterator[list[str]]:
    """An emulated board in a process; yields the words by which pytest finds it."""
    port = _free_port()
    routes = [((str(GATEWAY), GATEWAY_PORT), (LOOPBACK, port))]
    with BoardProcess.start(folder, device_id=1, routes=routes) as board:
        yield [f"--hil-board=serial:{board.port}", f"--hil-gateway-port={port}"]


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _flash(project: Project, options: argparse.Namespace) -> int:
    chosen = None if options.toolchain == "auto" else Toolchain(options.toolchain)
    found = candidates(parse(options.board), boards_file.load(boards_file.path_of(project)))
    if len(found) > 1:
        raise HilError(f"{len(found)} boards are plugged in: {', '.join(e.id for e in found)}; name one with --board")
    with BenchBoard.take(found, worker=0, reason="hil flash") as board:
        firmware = build_firmware(project, toolchain=chosen, say=print)
        board.flash(project, firmware, print)
        board.check(firmware)
    print(f"board {board.entry.id} runs {firmware.identity}")
    return 0
