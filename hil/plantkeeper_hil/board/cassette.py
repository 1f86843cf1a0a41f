"""A board's session as a file: what was done to it, what it said, what it posted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from plantkeeper_hil.board.base import Call
from plantkeeper_hil.board.lines import ConsoleLine
from plantkeeper_hil.errors import HilError

VERSION = 1


class CassetteError(HilError):
    """A cassette cannot be read, or a test does other things than were recorded."""


@dataclass(frozen=True)
class Post:
    """One HTTP exchange as the board's wire saw it, as text (Latin-1)."""

    request: str
    answer: str


@dataclass(frozen=True)
class Cassette:
    """A recorded session.

    Args:
        board: its name.
        facts: firmware, seed and what else is worth knowing.
    """

    board: str
    calls: Sequence[Call]
    lines: Sequence[ConsoleLine]
    posts: Sequence[Post] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it, lines of JSON within one object, so that two can be compared."""
        content = {
            "version": VERSION,
            "board": self.board,
            "facts": dict(self.facts),
            "calls": [asdict(call) for call in self.calls],
            "lines": [{**asdict(line), "wall": line.wall.isoformat()} for line in self.lines],
            "posts": [asdict(post) for post in self.posts],
        }
        path.write_text(json.dumps(content, indent=1) + "\n")

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
                tuple(Post(**post) for post in content["posts"]),
                content["facts"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CassetteError(f"{path} is no cassette ({error}); record it anew: hil record") from error
