"""A row of figures, medians over rounds, and ratios to the yardstick. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

YARDSTICK = "nginx"


@dataclass(frozen=True)
class Row:
    """What a server did in a scenario, once or as a median of rounds; None where it was not measured.

    Args:
        scenario: what was measured.
        name: the server.
        mode: `close` or `keep`.
        boards: how many posted at once; 0 for an open loop.
        wire: whose bytes were posted.
        accepted_per_s: answers 200.
        delivered_per_s: readings that the backend answered 200.
        p50_ms, p99_ms: seen by the board.
        cpu_s_per_10k: CPU seconds of all the server's processes for 10 000 readings accepted.
        pss_mb: memory of all its processes.
        generator_share: how much of a core the load generator took.
        extra: further figures of the scenario.
    """

    scenario: str
    name: str
    mode: str
    boards: int
    wire: str = "field"
    accepted_per_s: float | None = None
    delivered_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_s_per_10k: float | None = None
    pss_mb: float | None = None
    generator_share: float | None = None
    ratio_to_nginx: float | None = None
    delivered_ratio_to_nginx: float | None = None
    rounds: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What rounds of the same measurement share."""
        return self.scenario, self.name, self.mode, self.boards, self.wire

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the scenario's own figures beside the others."""
        figures = asdict(self)
        return {**figures.pop("extra"), **figures}


MEASURED = (
    *("accepted_per_s", "delivered_per_s", "p50_ms", "p99_ms", "cpu_s_per_10k", "pss_mb", "generator_share"),
    *("ratio_to_nginx", "delivered_ratio_to_nginx"),
)


def with_ratios(rows: Iterable[Row]) -> list[Row]:
    """Rows of one round, each with its share of what the yardstick did in the same scenario, mode and boards."""
    rows = list(rows)
    yard = {(row.scenario, row.mode, row.boards): row for row in rows if row.name == YARDSTICK}
    return [
        replace(
            row,
            ratio_to_nginx=_share(row, yard.get((row.scenario, row.mode, row.boards)), "accepted_per_s"),
            delivered_ratio_to_nginx=_share(row, yard.get((row.scenario, row.mode, row.boards)), "delivered_per_s"),
        )
        for row in rows
    ]


def medians(rows: Iterable[Row]) -> list[Row]:
    """One row for each measurement, every figure the median over its rounds; in the order of first appearance."""
    groups: dict[tuple[str, str, str, int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    return [_median_row(group) for group in groups.values()]


def _median_row(group: Sequence[Row]) -> Row:
    figures = {name: median_of(getattr(row, name) for row in group) for name in MEASURED}
    names = dict.fromkeys(name for row in group for name in row.extra)
    extra = {name: _summary([row.extra[name] for row in group if name in row.extra]) for name in names}
    return replace(group[0], **figures, extra=extra, rounds=len(group))  # type: ignore[arg-type] # floats, by MEASURED


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of those that were measured; None where none was."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _summary(values: Sequence[Any]) -> Any:
    """Numbers: the median; yes or no: what most rounds say; else the last."""
    if all(isinstance(value, bool) for value in values):
        return 2 * sum(values) > len(values)
    if all(isinstance(value, int | float) for value in values):
        return statistics.median(values)
    return values[-1]


def _share(row: Row, yard: Row | None, name: str) -> float | None:
    ours, theirs = getattr(row, name), None if yard is None else getattr(yard, name)
    return ours / theirs if ours is not None and theirs else None
