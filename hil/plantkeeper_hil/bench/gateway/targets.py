"""What is asked of the gateway: a floor that must hold and a goal, each as a figure of this run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plantkeeper_hil.bench.gateway.figures import Row


@dataclass(frozen=True)
class Target:
    """A figure with its floor and goal; None where there is none, or where it was not measured.

    Args:
        at_most: whether less is better.
    """

    what: str
    value: float | None
    floor: float | None
    goal: float | None
    at_most: bool = False

    @property
    def floor_met(self) -> bool | None:
        """Whether the floor holds."""
        return self._holds(self.floor)

    @property
    def goal_met(self) -> bool | None:
        """Whether the goal is reached."""
        return self._holds(self.goal)

    def _holds(self, bound: float | None) -> bool | None:
        if self.value is None or bound is None:
            return None
        return self.value <= bound if self.at_most else self.value >= bound

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "floor_met": self.floor_met, "goal_met": self.goal_met}


def targets(rows: Sequence[Row]) -> list[Target]:
    """Every figure that the issue names, from the medians of a run; what was not measured is left out."""
    found = Finder(rows)
    ours = found.row("accepted", "gateway", 64, "close")
    red = found.row("accepted", "node-red", 64, "close")
    steady = found.row("steady delivery", "gateway", 64, "close")
    one = found.row("backend takes 50 ms", "gateway", 1, "close")
    many = found.row("backend takes 50 ms", "gateway", 64, "close")
    calm, calm_nginx = (
        found.row("offered 200/s", "gateway", 0, "close"),
        found.row("offered 200/s", "nginx", 0, "close"),
    )
    drain = found.row("backlog drain", "gateway", 64, "close")
    soak = found.row("soak at 200/s", "gateway", 0, "close")
    cpu_nginx = _figure(calm_nginx, "cpu_s_per_10k")
    listed = [
        Target("accepted durably, × nginx", _figure(ours, "ratio_to_nginx"), 0.4, 1.0),
        Target("accepted durably, × Node-RED", _over(ours, red), 3.0, None),
        Target("delivered in a steady state, × nginx", _figure(steady, "delivered_ratio_to_nginx"), 0.35, 0.9),
        Target("backend takes 50 ms: accepted from 1 board, × nginx", _figure(one, "ratio_to_nginx"), None, 50.0),
        Target("backend takes 50 ms: accepted from 64 boards, × nginx", _figure(many, "ratio_to_nginx"), None, 3.8),
        Target("200/s offered: p99 at the board, ms", _figure(calm, "p99_ms"), 10.0, 5.0, at_most=True),
        Target(
            "200/s offered: CPU s for 10 000 readings (goal: 2 × nginx's)",
            _figure(calm, "cpu_s_per_10k"),
            15.0,
            None if cpu_nginx is None else 2 * cpu_nginx,
            at_most=True,
        ),
        Target("200/s offered: memory, MiB PSS", _figure(calm, "pss_mb"), 200.0, 110.0, at_most=True),
        Target("memory's growth in the soak, × ", _extra(soak, "pss_growth"), 1.05, 1.02, at_most=True),
        Target(
            "backlog drains while full load goes on, × steady delivery", _extra(drain, "drain_to_steady"), 0.8, None
        ),
        Target(
            "accepted meanwhile, × without a backlog (tolerance ours)", _extra(drain, "accepted_to_without"), 0.9, None
        ),
    ]
    return [target for target in listed if target.value is not None]


class Finder:
    """Looks rows up.

    Args:
        rows: medians.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row.key: row for row in rows}

    def row(self, scenario: str, name: str, boards: int, mode: str) -> Row | None:
        """A server's row with the field's wire, or None."""
        return self._rows.get((scenario, name, mode, boards, "field"))


def _over(row: Row | None, other: Row | None) -> float | None:
    if row is None or other is None or row.accepted_per_s is None or not other.accepted_per_s:
        return None
    return row.accepted_per_s / other.accepted_per_s


def _figure(row: Row | None, name: str) -> float | None:
    value = None if row is None else getattr(row, name)
    return value if isinstance(value, float) else None


def _extra(row: Row | None, name: str) -> float | None:
    value = None if row is None else row.extra.get(name)
    return value if isinstance(value, float) else None
