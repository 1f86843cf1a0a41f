"""Whether readings can be taken, and what else is not as it should be: facts in, a verdict out. Pure.

Only what keeps readings from being stored makes a gateway `not ready` (503): a load balancer that looks at this must
not send boards away because the backend is ill. All else is `degraded`, with an alarm that says what to do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plantkeeper_proxy.facts import Facts, Figures, ForwarderFacts
from plantkeeper_proxy.ingest import Answer

PATH = "/healthz"
ALIVE = Answer(200, b'{"status":"ok"}\n')
CERTIFICATE_WARNING_S = 14 * 86_400.0
SHOWN = 300
READY, DEGRADED, NOT_READY = "ready", "degraded", "not ready"


@dataclass(frozen=True)
class Limits:
    """From where on something is worth an alarm.

    Args:
        wanted_revision: of the schema.
        backlog_alarm_s: age of the oldest waiting reading.
        forwarder_silent_s: a forwarder that said nothing for so long counts as gone.
    """

    wanted_revision: str
    backlog_alarm_s: float = 900.0
    forwarder_silent_s: float = 60.0


@dataclass(frozen=True)
class Health:
    """The verdict.

    Args:
        status: `ready`, `degraded` or `not ready`.
        alarms: sentences that name the thing and the remedy.
        facts: what it rests on, for JSON.
    """

    status: str
    alarms: Sequence[str]
    facts: dict[str, Any]

    @property
    def http_status(self) -> int:
        """503 only where readings cannot be taken."""
        return 503 if self.status == NOT_READY else 200

    def body(self) -> bytes:
        """As `/readyz` answers."""
        whole = {"status": self.status, "alarms": list(self.alarms), **self.facts}
        return json.dumps(whole, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


@dataclass(frozen=True)
class Certificate:
    """The backend's certificate, as forwarders that are there saw it.

    Args:
        state: `ok`, `unknown`, or `refused: …`.
        expires_s: when the one that ends first does (epoch); None where unknown.
    """

    state: str
    expires_s: float | None


def present(forwarders: Sequence[ForwarderFacts], silent_s: float) -> list[ForwarderFacts]:
    """The forwarders that said something lately."""
    return [forwarder for forwarder in forwarders if forwarder.silent_s <= silent_s]


def certificate(forwarders: Sequence[ForwarderFacts]) -> Certificate:
    """What these forwarders say of the backend's certificate."""
    refused = [forwarder.alarms["certificate"] for forwarder in forwarders if "certificate" in forwarder.alarms]
    ends = [expires_s(forwarder) for forwarder in forwarders]
    known = [end for end in ends if end is not None]
    state = f"refused: {refused[0][:SHOWN]}" if refused else "ok" if known else "unknown"
    return Certificate(state, min(known) if known else None)


def expires_s(forwarder: ForwarderFacts) -> float | None:
    """When the certificate that a forwarder saw last ends (epoch)."""
    value = forwarder.counters.get("certificate_expires_s")
    return float(value) if isinstance(value, int | float) else None


def several(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def judge(facts: Facts, limits: Limits, *, epoch_s: float) -> Health:
    """The verdict on these facts.

    Args:
        epoch_s: now.
    """
    shown: dict[str, Any] = {
        "database": "up" if facts.database_up else "down",
        "schema": {"wanted": limits.wanted_revision, "found": facts.revision},
    }
    if facts.error is not None:
        return Health(NOT_READY, [f"Readings cannot be taken: {facts.error}."], {**shown, "reason": facts.error})
    if facts.figures is None:
        alarms = [f"The database's tables could not be read: {facts.figures_error}."] if facts.figures_error else []
        return Health(DEGRADED if alarms else READY, alarms, shown)
    figures = facts.figures
    there = present(figures.forwarders, limits.forwarder_silent_s)
    seen = certificate(there)
    alarms = [*_delivery_alarms(figures, there, seen, limits, epoch_s), *_table_alarms(figures)]
    shown |= {
        "backlog": {"readings": figures.backlog, "oldest_age_s": round(figures.oldest_age_s, 3)},
        "dead_letters": figures.dead_letters,
        "certificate": {"state": seen.state, "expires_at": None if seen.expires_s is None else _utc(seen.expires_s)},
        "forwarders": [
            {"name": forwarder.name, "silent_s": round(forwarder.silent_s, 1), "alarms": dict(forwarder.alarms)}
            for forwarder in there
        ],
    }
    return Health(DEGRADED if alarms else READY, alarms, shown)


def _delivery_alarms(
    figures: Figures, there: Sequence[ForwarderFacts], seen: Certificate, limits: Limits, epoch_s: float
) -> list[str]:
    alarms = []
    if not there:
        alarms.append(
            f"No forwarder was seen within {limits.forwarder_silent_s:g} s, so nothing is delivered: "
            "start `plantkeeper-proxy forward`, and look into its log if it runs."
        )
    if seen.state.startswith("refused"):
        alarms.append(
            f"The backend's certificate is {seen.state}. Nothing is sent until it is mended: renew it at the backend, "
            "or set PLANTKEEPER_BACKEND_CA to the authority that issued it."
        )
    if seen.expires_s is not None and seen.expires_s - epoch_s < CERTIFICATE_WARNING_S:
        verb = "ended" if seen.expires_s <= epoch_s else "ends"
        alarms.append(
            f"The backend's certificate {verb} on {_utc(seen.expires_s)}: renew it there before delivery stops."
        )
    down = [forwarder.alarms["backend"] for forwarder in there if "backend" in forwarder.alarms]
    if down:
        alarms.append(f"The backend is down: {down[0][:SHOWN]}. Readings wait until it is back; see to the backend.")
    if figures.oldest_age_s > limits.backlog_alarm_s:
        alarms.append(
            f"The oldest of {several(figures.backlog, 'waiting reading')} has waited {figures.oldest_age_s:.0f} s, "
            f"longer than {limits.backlog_alarm_s:g} s: see whether the backend answers, and on the status page which "
            "device waits."
        )
    if figures.dead_letters:
        alarms.append(
            f"The backend refused {several(figures.dead_letters, 'reading')} for good: see why with "
            "`plantkeeper-proxy deadletter list`, then retry or drop them."
        )
    return alarms


def _table_alarms(figures: Figures) -> list[str]:
    alarms = []
    if figures.default_used:
        alarms.append(
            "Readings fell into the partition reading_default, since their month has none: "
            "run `plantkeeper-db partitions`, which moves them."
        )
    if figures.next_month_missing:
        alarms.append("Next month has no partition for readings yet: run `plantkeeper-db partitions`.")
    return alarms


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
