"""A day of one quantity as the points of an SVG line; where nothing was measured, the line breaks. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

QUARTERS = 96
WIDTH, HEIGHT, MARGIN = 192.0, 32.0, 2.0
JOINED = 2  # a board that posts every 5 minutes and missed one quarter is still one line


@dataclass(frozen=True)
class Sparkline:
    """Lines to draw.

    Args:
        lines: `points` of SVG polylines.
        low, high: least and greatest value.
    """

    lines: Sequence[str]
    low: float
    high: float


def sparkline(quarters: Sequence[int], values: Sequence[float]) -> Sparkline | None:
    """The line of values by quarter of an hour; None where there is none.

    Args:
        quarters: 0…95, growing, 95 being the newest.
        values: of each; those that are not finite are left out.
    """
    found = [(at, value) for at, value in zip(quarters, values, strict=True) if math.isfinite(value)]
    if not found:
        return None
    low, high = min(value for _, value in found), max(value for _, value in found)
    placed = [(at, _place(at, value, low, high)) for at, value in found]
    lines: list[list[tuple[float, float]]] = []
    before = None
    for at, point in placed:
        if before is None or at - before > JOINED:
            lines.append([])
        lines[-1].append(point)
        before = at
    return Sparkline([_points(line) for line in lines], low, high)


def _place(at: int, value: float, low: float, high: float) -> tuple[float, float]:
    half = high / 2 - low / 2  # in halves: the whole range of floats has no width that is a float
    share = (value / 2 - low / 2) / half if half > 0 else 0.5
    x = MARGIN + at / (QUARTERS - 1) * (WIDTH - 2 * MARGIN)
    return round(x, 1), round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)


def _points(line: Sequence[tuple[float, float]]) -> str:
    """A lone point is drawn as a short stroke."""
    if len(line) == 1:
        x, y = line[0]
        line = ((x - 0.6, y), (x + 0.6, y))
    return " ".join(f"{x:g},{y:g}" for x, y in line)
