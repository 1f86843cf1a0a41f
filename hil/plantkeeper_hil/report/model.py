"""What a report shows, independent of how it is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from plantkeeper_hil.conservation import Kind, Verdict
from plantkeeper_hil.latency import Latency


@dataclass(frozen=True)
class FirmwareFacts:
    """The firmware that ran."""

    sha256: str
    flash_bytes: int
    ram_bytes: int
    built_with: str


@dataclass(frozen=True)
class Point:
    """One reading on the time line of a device.

    Args:
        virtual_s: board time at which the reading was taken.
        latency_s: wall-clock time to the backend; None where it was not delivered.
        dropped: why the board itself gave it up; None where it did not.
    """

    virtual_s: float
    key: str
    temperature_c: float | None
    soil_percent: float | None
    light: float | None
    air_humidity_percent: float | None
    latency_s: float | None
    dropped: str | None = None

    @property
    def delivered(self) -> bool:
        """True where the backend has it."""
        return self.latency_s is not None


@dataclass(frozen=True)
class Truth:
    """What the environment model had at one instant."""

    virtual_s: float
    temperature_c: float
    soil_percent: float
    light: float
    air_humidity_percent: float


@dataclass(frozen=True)
class DeviceLine:
    """A device's readings and, from the simulator, the truth that they sampled."""

    device_id: int
    points: Sequence[Point]
    truth: Sequence[Truth]
    events: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class RunReport:
    """All that a run has to say."""

    seed: int
    hours: float
    boards: int
    virtual_s: float
    wall_s: float
    readings_expected: int
    readings_skipped: int
    firmware: FirmwareFacts
    verdict: Verdict
    latency: Latency | None
    devices: Sequence[DeviceLine]


def conclusion(verdict: Verdict) -> str:
    """The verdict in a line."""
    if not verdict.conserved:
        return f"NOT conserved: {len(verdict.findings)} finding(s)"
    named = f"; {len(verdict.dropped)} dropped by the board itself, named" if verdict.dropped else ""
    return f"conserved: every reading is accounted for{named}"


def summary(report: RunReport) -> dict[str, object]:
    """The run as `report.json` has it: flat counts first, then the readings that boards gave up, findings last."""
    verdict = report.verdict
    return {
        "readings_expected": report.readings_expected,
        "readings_taken": verdict.taken,
        "readings_skipped": report.readings_skipped,
        "readings_stored": verdict.stored,
        "readings_delivered": verdict.delivered,
        "readings_dropped_by_board": len(verdict.dropped),
        "readings_lost": verdict.count(Kind.LOST),
        "readings_duplicated": verdict.count(Kind.DUPLICATED),
        "readings_reordered": verdict.count(Kind.REORDERED),
        "readings_altered": verdict.count(Kind.ALTERED),
        "readings_foreign": verdict.count(Kind.FOREIGN),
        "readings_misreported": verdict.count(Kind.MISREPORTED),
        "conserved": verdict.conserved,
        "seed": report.seed,
        "hours": report.hours,
        "boards": report.boards,
        "virtual_s": round(report.virtual_s, 3),
        "wall_s": round(report.wall_s, 3),
        "latency_p50_ms": None if report.latency is None else round(report.latency.p50_ms, 3),
        "latency_p99_ms": None if report.latency is None else round(report.latency.p99_ms, 3),
        **{f"firmware_{name}": value for name, value in asdict(report.firmware).items()},
        "dropped_by_board": [
            {"device_id": drop.device_id, "key": str(drop.key), "reason": drop.reason, "boot": drop.boot}
            for drop in verdict.dropped
        ],
        "findings": [
            {
                "kind": finding.kind.value,
                "device_id": finding.device_id,
                "key": str(finding.key),
                "detail": finding.detail,
            }
            for finding in verdict.findings
        ],
    }
