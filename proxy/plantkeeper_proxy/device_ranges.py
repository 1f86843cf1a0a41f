"""A set of device ids given as ranges, such as `1-3,7`; kept as ranges, up to all of them. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.message import MAX_ID

_PART = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", re.ASCII)


@dataclass(frozen=True)
class DeviceRanges:
    """Device ids.

    Args:
        firsts, lasts: of each range, in order; ranges neither overlap nor touch.
    """

    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()

    def __contains__(self, device_id: int) -> bool:
        at = bisect_right(self.firsts, device_id) - 1
        return at >= 0 and device_id <= self.lasts[at]

    def __str__(self) -> str:
        pairs = zip(self.firsts, self.lasts, strict=True)
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)


def parse_ranges(name: str, text: str) -> DeviceRanges:
    """The ids in a list such as `1-3,7`; an empty text has none.

    Args:
        name: of the setting, for messages.

    Raises:
        SettingsError: it is no such list, or an id is not 1…2147483647.
    """
    pairs = sorted(_pair(name, text, part.strip()) for part in text.split(",")) if text.strip() else []
    merged: list[tuple[int, int]] = []
    for first, last in pairs:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return DeviceRanges(tuple(first for first, _ in merged), tuple(last for _, last in merged))


def _pair(name: str, text: str, part: str) -> tuple[int, int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise SettingsError(f"{name} is {text!r}: {part!r} is neither an id nor a range; expected such as 1-3,7")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= MAX_ID:
        raise SettingsError(f"{name} is {text!r}: {part!r} is not within 1…{MAX_ID}, lower id first")
    return first, last
