"""One TCP connection as it went by: what either side sent and when, and how it ended. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any


class Source(Enum):
    """Who acted."""

    BOARD = "board"
    GATEWAY = "gateway"


class Kind(Enum):
    """What went by."""

    DATA = "data"
    END = "end"  # FIN: it sends no more, and may still read
    RESET = "reset"  # RST, or a connection that was refused


@dataclass(frozen=True)
class Instant:
    """A moment on the host's two clocks."""

    monotonic_s: float
    wall: datetime

    @classmethod
    def now(cls) -> Instant:
        """This one."""
        return cls(time.monotonic(), datetime.now(UTC))


@dataclass(frozen=True)
class Passage:
    """Something that went by.

    Args:
        data: the bytes of DATA, as they were read at once; else empty.
    """

    source: Source
    kind: Kind
    at: Instant
    data: bytes = b""


@dataclass(frozen=True)
class Connection:
    """A connection, or what there is of it so far.

    Args:
        opened: when it was accepted.
        board: address and port of the side that opened it.
        passages: in order of time.
    """

    opened: Instant
    board: str
    passages: Sequence[Passage] = ()

    @property
    def sent(self) -> bytes:
        """All that the board sent."""
        return self._bytes_of(Source.BOARD)

    @property
    def received(self) -> bytes:
        """All that the gateway sent."""
        return self._bytes_of(Source.GATEWAY)

    @property
    def sent_monotonic_s(self) -> float:
        """When the board's last bytes went by, on the host's monotonic clock; the opening where there were none."""
        times_s = [p.at.monotonic_s for p in self.passages if p.source is Source.BOARD and p.kind is Kind.DATA]
        return times_s[-1] if times_s else self.opened.monotonic_s

    @property
    def ended_by(self) -> Source | None:
        """Whose end or reset came first; None where the connection was still open."""
        return next((passage.source for passage in self.passages if passage.kind is not Kind.DATA), None)

    def _bytes_of(self, source: Source) -> bytes:
        return b"".join(passage.data for passage in self.passages if passage.source is source)


def as_json(connection: Connection) -> dict[str, Any]:
    """It as plain data; bytes as Latin-1."""
    return {
        **_instant(connection.opened),
        "board": connection.board,
        "passages": [
            {
                "source": passage.source.value,
                "kind": passage.kind.value,
                **_instant(passage.at),
                "data": passage.data.decode("latin-1"),
            }
            for passage in connection.passages
        ],
    }


def from_json(content: dict[str, Any]) -> Connection:
    """What `as_json` gave.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    passages = [
        Passage(Source(one["source"]), Kind(one["kind"]), _from_instant(one), one["data"].encode("latin-1"))
        for one in content["passages"]
    ]
    return Connection(_from_instant(content), content["board"], tuple(passages))


def _instant(at: Instant) -> dict[str, Any]:
    return {"monotonic_s": at.monotonic_s, "wall": at.wall.isoformat()}


def _from_instant(content: dict[str, Any]) -> Instant:
    return Instant(content["monotonic_s"], datetime.fromisoformat(content["wall"]))
