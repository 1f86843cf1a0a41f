"""Which board a run is to use, as `--hil-board` says it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plantkeeper_hil.errors import UsageError

ACCEPTED = (
    "sim, auto, an id of boards.yaml, serial:/dev/…, rfc2217://host:port, socket://host:port, labgrid:PLACE, "
    "recorded:DIR"
)


@dataclass(frozen=True)
class Simulated:
    """The emulator in lockstep."""


@dataclass(frozen=True)
class Recorded:
    """Boards played from recordings.

    Args:
        folder: what `hil record` wrote.
    """

    folder: Path


@dataclass(frozen=True)
class Auto:
    """Whatever is plugged in and free."""


@dataclass(frozen=True)
class Listed:
    """A board of boards.yaml."""

    board_id: str


@dataclass(frozen=True)
class AtPort:
    """A board at a port that is named by hand.

    Args:
        port: device or pyserial's URL.
        baud: None: the usual.
    """

    port: str
    baud: int | None = None


@dataclass(frozen=True)
class LabgridPlace:
    """A board that labgrid's coordinator knows."""

    place: str


Choice = Simulated | Recorded | Auto | Listed | AtPort | LabgridPlace


def parse(words: str, *, port: str | None = None, baud: int | None = None) -> Choice:
    """Read `--hil-board`, with `--port` and `--baud` beside it.

    Raises:
        UsageError: it is none of what is accepted, or contradicts --port.
    """
    if port is not None:
        if words not in {"", "sim", "auto"}:
            raise UsageError(f"--hil-board={words} and --port {port}: give one of them")
        words = port if "://" in port else f"serial:{port}"
    kind, _, rest = words.partition(":")
    if words in {"sim", "auto"}:
        return Simulated() if words == "sim" else Auto()
    if kind == "serial" and rest.startswith("/"):
        return AtPort(rest, baud)
    if kind in {"rfc2217", "socket"} and re.fullmatch(r"//[^/\s]+:\d+(/.*)?", rest):
        return AtPort(words, baud)
    if kind == "recorded" and rest:
        return Recorded(Path(rest))
    if kind == "labgrid" and rest:
        return LabgridPlace(rest)
    if re.fullmatch(r"[^\s:/]+", words):
        return Listed(words)
    raise UsageError(f"--hil-board={words}: expected {ACCEPTED}")


def from_environment(environment: Mapping[str, str], name: str, default: str) -> str:
    """An option's default: PLANTKEEPER_HIL_<NAME>, else what is usual."""
    return environment.get(f"PLANTKEEPER_HIL_{name}") or default
