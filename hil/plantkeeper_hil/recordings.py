"""What a session keeps of its boards, and what it plays of an earlier one's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.board.base import ConsoleBoard
from plantkeeper_hil.board.cassette import Cassette
from plantkeeper_hil.board.choice import Recorded
from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.evidence import CASSETTE, EvidenceFolder
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.firmware.build import git_hash
from plantkeeper_hil.project import Project
from plantkeeper_hil.report.model import FirmwareFacts
from plantkeeper_hil.selection import choice_of
from plantkeeper_hil.stack.base import Stack
from plantkeeper_hil.traffic.relay import Relay

SETTLE_S = 2.0  # a post takes a fraction of it
RUN = "virtual_day"  # the run that is judged, as a folder of evidence


@contextmanager
def kept(evidence: EvidenceFolder, board: ConsoleBoard, stack: Stack, relay: Relay) -> Iterator[None]:
    """Keep what board, wire, PostgreSQL and backend say of the test, however it ends; the board is closed then."""
    rows, journal = stack.database.readings(), stack.backend.journal()
    last_row, last_entry = rows[-1]["id"] if rows else 0, journal[-1]["n"] if journal else 0
    connections_before = len(relay.connections())
    try:
        yield
    finally:
        board.close()
        relay.settle(SETTLE_S)
        evidence.keep_board(board, relay.connections(after=connections_before))
        evidence.keep_records(stack.database.readings(after=last_row), stack.backend.journal(after=last_entry))


def evidence_root(config: pytest.Config, project: Project) -> Path:
    """Where the folders of evidence are."""
    chosen = config.getoption("--hil-evidence")
    return Path(chosen) if chosen else project.build_dir / "evidence"


def check_recordings(folder: Path) -> None:
    """Make sure that there is something to play, else every test would be skipped.

    Raises:
        UsageError: there is not.
    """
    if next(folder.glob(f"*/{CASSETTE}"), None) is None:
        raise UsageError(f"--hil-board=recorded:{folder}: no {CASSETTE} in any folder there; hil record DIR makes them")


def recording_of(config: pytest.Config, project: Project, name: str) -> Cassette | None:
    """The cassette of a test, where the session's board is a played one; a test without one is skipped.

    Raises:
        UsageError: there are no recordings, or evidence would be written over them.
    """
    choice = choice_of(config)
    if not isinstance(choice, Recorded):
        return None
    check_recordings(choice.folder)
    if evidence_root(config, project).resolve() == choice.folder.resolve():
        raise UsageError(f"--hil-board=recorded:{choice.folder}: evidence goes there too; give another --hil-evidence")
    path = choice.folder / name / CASSETTE
    if not path.is_file():
        pytest.skip(f"nothing is recorded of it: {path} is not there")
    return Cassette.load(path)


def facts_of(config: pytest.Config, project: Project, firmware: BuildResult) -> dict[str, Any]:
    """What a recording says of the firmware, the checkout and the run."""
    return {
        "firmware": firmware.identity,
        "firmware_sha256": firmware.sha256,
        "flash_bytes": firmware.flash_bytes,
        "ram_bytes": firmware.ram_bytes,
        "toolchain": firmware.toolchain.value,
        "git": git_hash(project.root),
        "seed": config.getoption("--hil-seed"),
    }


def firmware_facts(facts: dict[str, Any]) -> FirmwareFacts:
    """The firmware that such facts name, as a report has it."""
    return FirmwareFacts(facts["firmware_sha256"], facts["flash_bytes"], facts["ram_bytes"], facts["toolchain"])
