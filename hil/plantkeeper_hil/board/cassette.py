"""A board's session as a file: what was done to it, what it said, what went over its connections."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from plantkeeper_hil.board import secrets
from plantkeeper_hil.board.base import Call
from plantkeeper_hil.board.lines import ConsoleLine
from plantkeeper_hil.errors import HilError
from plantkeeper_hil.traffic.connection import Connection, as_json, from_json

VERSION = 2


class CassetteError(HilError):
    """A cassette cannot be read or written, or a test does other things than were recorded."""


@dataclass(frozen=True)
class Exchange:
    """A connection in its place among the lines.

    Args:
        after_lines: how many lines the board had said when it was opened, on the host's wall clock.
    """

    after_lines: int
    connection: Connection


@dataclass(frozen=True)
class Cassette:
    """A recorded session.

    Args:
        board: its name.
        facts: versions, hash of the firmware, the board's serial number, seed and what else is worth knowing.
    """

    board: str
    calls: Sequence[Call]
    lines: Sequence[ConsoleLine]
    exchanges: Sequence[Exchange] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Make sure that no key and no token is on it.

        Raises:
            CassetteError: something looks like one.
        """
        wire = [exchange.connection for exchange in self.exchanges]
        places = {
            "calls": [call.what for call in self.calls],
            "lines": [line.text for line in self.lines],
            "connections": [data.decode("latin-1") for one in wire for data in (one.sent, one.received)],
        }
        for place, texts in places.items():
            if what := secrets.find(texts):
                raise CassetteError(
                    f"the recording of board {self.board} has {what} in its {place}; it is not kept, since who has it "
                    "could write in a board's name"
                )

    def save(self, path: Path) -> None:
        """Write it, lines of JSON within one object, so that two can be compared.

        Raises:
            CassetteError: a key or a token would be in it.
        """
        self.check()
        content = {
            "version": VERSION,
            "board": self.board,
            "facts": dict(self.facts),
            "calls": [asdict(call) for call in self.calls],
            "lines": [{**asdict(line), "wall": line.wall.isoformat()} for line in self.lines],
            "exchanges": [{"after_lines": one.after_lines, **as_json(one.connection)} for one in self.exchanges],
        }
        path.write_text(json.dumps(content, indent=1, default=str) + "\n")

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read one.

        Raises:
            CassetteError: it is none, or of another version.
        """
        try:
            content = json.loads(path.read_text())
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']}, expected {VERSION}")
            return cls(
                content["board"],
                [Call(**call) for call in content["calls"]],
                [
                    ConsoleLine(line["time_s"], datetime.fromisoformat(line["wall"]), line["text"])
                    for line in content["lines"]
                ],
                [Exchange(exchange["after_lines"], from_json(exchange)) for exchange in content["exchanges"]],
                content["facts"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CassetteError(f"{path} is no cassette ({error}); record it anew: hil record") from error


def placed(connections: Sequence[Connection], lines: Sequence[ConsoleLine]) -> list[Exchange]:
    """Connections in their places among the lines, by the host's wall clock."""
    walls = [line.wall for line in lines]
    return [Exchange(bisect_right(walls, connection.opened.wall), connection) for connection in connections]
