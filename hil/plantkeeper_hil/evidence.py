"""What a test leaves behind: serial log, HTTP exchanges, versions, in a folder of its own, and as JUnit properties."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plantkeeper_hil.board.base import ConsoleBoard
from plantkeeper_hil.board.cassette import Cassette, placed
from plantkeeper_hil.board.lines import as_log
from plantkeeper_hil.traffic.connection import Connection

SERIAL_LOG, EXCHANGES, JOURNAL, ROWS, FACTS, CASSETTE = (
    "serial.log",
    "gateway.http",
    "backend.jsonl",
    "database.jsonl",
    "facts.json",
    "cassette.json",
)


def folder_name(node_id: str) -> str:
    """A test's name as a folder's: tests/system/test_board.py::test_x[a] → test_board.test_x-a."""
    file, _, rest = node_id.partition("::")
    name = f"{Path(file).stem}.{rest}" if rest else Path(file).stem
    return re.sub(r"[^0-9A-Za-z._-]+", "-", name).strip("-.")[:150]


class EvidenceFolder:
    """One test's folder.

    Args:
        path: made anew: what an earlier run left is removed.
        facts: versions, seed, board; more can be added while the test runs.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.facts: dict[str, Any] = {"python": platform.python_version(), "machine": platform.platform(), **facts}
        path.mkdir(parents=True, exist_ok=True)
        for name in (SERIAL_LOG, EXCHANGES, JOURNAL, ROWS, FACTS, CASSETTE):
            (path / name).unlink(missing_ok=True)

    def keep_board(self, board: ConsoleBoard, connections: Sequence[Connection]) -> None:
        """Its serial log with both clocks, what went over its connections, and all as a cassette.

        Raises:
            CassetteError: a key or a token would be in it; nothing is kept then.
        """
        cassette = Cassette(board.name, board.calls, board.lines, placed(connections, board.lines), self.facts)
        cassette.save(self.path / CASSETTE)
        (self.path / SERIAL_LOG).write_text(as_log(board.lines))
        (self.path / EXCHANGES).write_bytes(
            b"".join(b"%b\n\n%b\n\n" % (connection.sent, connection.received) for connection in connections)
        )

    def keep_records(self, rows: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]]) -> None:
        """What PostgreSQL stored and what the backend was asked while the test ran."""
        (self.path / ROWS).write_text(_lines(rows))
        (self.path / JOURNAL).write_text(_lines(journal))

    def keep_facts(self) -> None:
        """Versions, seed, board."""
        (self.path / FACTS).write_text(json.dumps(self.facts, indent=1, default=str) + "\n")


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(dict(record), default=str) + "\n" for record in records)
