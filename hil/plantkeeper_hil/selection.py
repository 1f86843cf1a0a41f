"""From pytest's options to a board: what was chosen, what it can do, and which one a test worker gets."""

from __future__ import annotations

import pytest

from plantkeeper_hil.bench_board import BenchBoard, candidates, capabilities_of
from plantkeeper_hil.board.base import Capability
from plantkeeper_hil.board.choice import Auto, Choice, Recorded, Simulated, parse
from plantkeeper_hil.board.recorded import RecordedBoard
from plantkeeper_hil.errors import HilError, UsageError
from plantkeeper_hil.firmware.build import UNO
from plantkeeper_hil.inventory import boards_file, entries, usb
from plantkeeper_hil.inventory.entries import Entry
from plantkeeper_hil.project import find_project


def choice_of(config: pytest.Config) -> Choice:
    """What `--hil-board`, `--port` and `--baud` say.

    Raises:
        pytest.UsageError: they say nothing that makes sense.
    """
    try:
        return parse(config.getoption("--hil-board"), port=config.getoption("--port"), baud=config.getoption("--baud"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def worker_of(config: pytest.Config) -> int:
    """Number of this process among pytest-xdist's workers; 0 without them."""
    workerinput = getattr(config, "workerinput", None)
    return int(workerinput["workerid"].removeprefix("gw")) if workerinput else 0


def listed(config: pytest.Config) -> list[Entry]:
    """The boards of boards.yaml."""
    return boards_file.load(boards_file.path_of(find_project(config.rootpath)))


def take_board(config: pytest.Config) -> BenchBoard:
    """Lock the board that this process is to use.

    Raises:
        HilError: there is none, or somebody has it.
    """
    found = _candidates(config)
    return BenchBoard.take(found, worker=worker_of(config), reason=f"pytest in {config.rootpath.name}")


def capabilities(config: pytest.Config) -> tuple[str, frozenset[Capability]]:
    """Name and capabilities of the chosen board; nothing where there is none, which its fixture tells."""
    if isinstance(choice_of(config), Recorded):
        return str(config.getoption("--hil-board")), RecordedBoard.CAPABILITIES
    entry = _chosen(config)
    if entry is None:
        return str(config.getoption("--hil-board")), frozenset()
    return entry.id, capabilities_of(entry)


def platform_of(config: pytest.Config) -> str:
    """Environment of firmware/platformio.ini for the chosen board; the Uno's where there is none."""
    if isinstance(choice_of(config), Simulated | Recorded):
        return UNO
    entry = _chosen(config)
    return entry.platform if entry else UNO


def _candidates(config: pytest.Config) -> list[Entry]:
    return candidates(choice_of(config), listed(config), platform=config.getoption("--hil-platform"))


def _chosen(config: pytest.Config) -> Entry | None:
    try:
        found = _candidates(config)
    except HilError:
        return None
    return found[min(worker_of(config), len(found) - 1)]


def available_boards(config: pytest.Config) -> str:
    """What `auto` chooses from, for the report's header: who is plugged in, who is listed and offline."""
    if not isinstance(choice_of(config), Auto):
        return ""
    merged = entries.merge(listed(config), usb.scan())
    return "".join(f", {entry.id} {'there' if entry.connected or entry.port else 'OFFLINE'}" for entry in merged)
