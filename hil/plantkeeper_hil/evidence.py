"""What a test leaves behind: serial log, HTTP exchanges, versions, in a folder of its own, and as JUnit properties."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plantkeeper_hil.board.base import ConsoleBoard
from plantkeeper_hil.board.cassette import Cassette, Post
from plantkeeper_hil.board.emulated import EmulatedBoard
from plantkeeper_hil.board.lines import as_log
from plantkeeper_hil.board.serial import SerialBoard

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

    def keep_board(self, board: ConsoleBoard) -> None:
        """Its serial log with both clocks, its HTTP exchanges as far as somebody listened, and all as a cassette."""
        posts = posts_of(board)
        (self.path / SERIAL_LOG).write_text(as_log(board.lines))
        (self.path / EXCHANGES).write_text(
            "".join(f"{post.request}\n\n{post.answer}\n\n" for post in posts), newline=""
        )
        Cassette(board.name, board.calls, board.lines, posts, self.facts).save(self.path / CASSETTE)

    def keep_records(self, rows: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]]) -> None:
        """What PostgreSQL stored and what the backend was asked while the test ran."""
        (self.path / ROWS).write_text(_lines(rows))
        (self.path / JOURNAL).write_text(_lines(journal))

    def keep_facts(self) -> None:
        """Versions, seed, board."""
        (self.path / FACTS).write_text(json.dumps(self.facts, indent=1, default=str) + "\n")


def posts_of(board: ConsoleBoard) -> list[Post]:
    """The board's HTTP exchanges: of the emulated network, or of the tunnel; a real W5500's wire has no listener."""
    exchanges: Sequence[Any] = ()
    if isinstance(board, EmulatedBoard):
        exchanges = board.uno.network.exchanges
    elif isinstance(board, SerialBoard):
        exchanges = board.tunnel.exchanges
    return [
        Post(bytes(exchange.sent).decode("latin-1"), bytes(exchange.received).decode("latin-1"))
        for exchange in exchanges
        if exchange.sent
    ]


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(dict(record), default=str) + "\n" for record in records)
