"""The console's lines with their times, as a host sees them, and what of a stream of bytes is console text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_LINE = 512  # the firmware's are below 100
SHOWN = 8
TAIL_BYTES = 64
_TEXT = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}


@dataclass(frozen=True)
class ConsoleLine:
    """One line.

    Args:
        time_s: on the board's clock: the host's monotonic clock for a real board, virtual time for an emulated one.
        wall: the host's wall clock, UTC.
    """

    time_s: float
    wall: datetime
    text: str

    @property
    def is_event(self) -> bool:
        """Whether the firmware said it unasked."""
        return self.text.startswith("!")


class LineSplitter:
    """Bytes in any portions to lines."""

    def __init__(self) -> None:
        self._line = bytearray()
        self.bytes_seen = 0
        self.tail = b""  # the last bytes as they came

    def feed(self, data: bytes, *, time_s: float, wall: datetime) -> list[ConsoleLine]:
        """The lines that these bytes end. A line longer than 512 bytes is cut into lines of that length."""
        self.bytes_seen += len(data)
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        ended = []
        for byte in data:
            if byte in b"\r\n" or len(self._line) == LONGEST_LINE:
                if self._line:
                    ended.append(ConsoleLine(time_s, wall, _shown(self._line)))
                self._line.clear()
            if byte not in b"\r\n":
                self._line.append(byte)
        return ended

    @property
    def rest(self) -> str:
        """A line that has not ended."""
        return _shown(self._line)

    def clear(self) -> None:
        """Begin anew."""
        self._line.clear()
        self.bytes_seen = 0
        self.tail = b""


def _shown(line: bytes | bytearray) -> str:
    return "".join(chr(byte) if byte in _TEXT else f"\\x{byte:02x}" for byte in line)


def garbled_bytes(data: bytes) -> int:
    """How many bytes are no console text."""
    return sum(byte not in _TEXT for byte in data)


def is_garbled(data: bytes) -> bool:
    """Whether so much is no text that it cannot come from a console at this baud rate."""
    return garbled_bytes(data) * 10 > len(data)


def show(lines: Sequence[ConsoleLine], rest: str = "", *, shown: int = SHOWN) -> str:
    """The last lines with their times, for an error message."""
    described = [f"  {line.time_s:12.3f} s  {line.text}" for line in lines[-shown:]]
    if rest:
        described.append(f"  (unfinished)    {rest[-120:]}")
    return "\n".join(described) or "  nothing at all"


def wall_now() -> datetime:
    """The host's wall clock."""
    return datetime.now(UTC)


def as_log(lines: Iterable[ConsoleLine]) -> str:
    """A serial log: wall clock, the board's clock, text."""
    return "".join(f"{line.wall.isoformat(timespec='milliseconds')} {line.time_s:.6f} {line.text}\n" for line in lines)
