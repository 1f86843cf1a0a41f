"""Event lines of the firmware: `!name key=value …` (docs/architecture.md section 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from plantkeeper_sim.errors import SimError

_LINE = re.compile(r"!([a-z][a-z0-9_]*)((?: [a-z][a-z0-9_]*=[!-~]*)*)")


class EventLineError(SimError):
    """A line that starts like an event and is none."""


@dataclass(frozen=True)
class Event:
    """Something that the firmware said, and when its last bit was sent."""

    cycles: int
    name: str
    fields: Mapping[str, str]


def parse_event(line: str, cycles: int) -> Event | None:
    """Read a console line; None for one that is no event (a reply).

    Raises:
        EventLineError: the line starts with `!` and is malformed.
    """
    if not line.startswith("!"):
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise EventLineError(f"malformed event line {line!r}; expected !name key=value …")
    fields: dict[str, str] = {}
    for item in match[2].split():
        name, _, value = item.partition("=")
        if name in fields:
            raise EventLineError(f"event line {line!r} names {name} twice")
        fields[name] = value
    return Event(cycles, match[1], fields)
