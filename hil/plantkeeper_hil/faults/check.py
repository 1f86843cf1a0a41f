"""The judge: what boards were promised against what took effect at the backend. Pure.

- *lost*: acknowledged, and never took effect (nor is parked as a dead letter, which is named and kept).
- *duplicated*: took effect, and again after another reading of its device; or took effect under two keys, which
  means that one POST was stored twice.
- *reordered*: acknowledged, and took effect for the first time after a later reading of its device.
- *altered*: not the values, or not the key, that the board sent.
- *foreign*: of no device of the load, or written to another sensor than the body names.

The newest reading repeated under its key leaves the backend as it was: a *repeat*, counted, and no breach. A board
without keys may see a POST unanswered that was taken all the same; it takes effect at most once, and after a later one
counts as *overtaken* and no breach, since nothing was promised for it. Where loads follow each other on one stack,
such a POST of an earlier load may take effect after that load was judged: *late*, counted, and no breach.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plantkeeper_hil.conservation import Kind
from plantkeeper_hil.faults.ledger import Ledger, Sent

OUR_KEY = re.compile(r"reading-[1-9][0-9]*")  # what the gateway gives to a reading that came without


@dataclass(frozen=True)
class Finding:
    """One breach.

    Args:
        number: of the device's reading; None where it cannot be told.
    """

    kind: Kind
    device_id: int | None
    number: int | None
    detail: str

    def __str__(self) -> str:
        return f"device {self.device_id} reading {self.number} {self.kind.value}: {self.detail}"


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Args:
        acknowledged: readings that were answered 200.
        delivered: acknowledged readings that took effect.
        repeats: the newest reading once more under its key.
        parked: acknowledged readings that are dead letters.
        unpromised: readings that took effect without a 200.
        overtaken: of these, after a later reading.
        late: readings of earlier loads that took effect after those were judged.
        open: readings without keys that were not acknowledged, and have not taken effect; what may still come late.
    """

    acknowledged: int
    delivered: int
    repeats: int
    parked: int
    unpromised: int
    overtaken: int
    late: int = 0
    open: tuple[Sent, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def count(self, kind: Kind) -> int:
        """Number of findings of one kind."""
        return sum(finding.kind is kind for finding in self.findings)


Values = tuple[Any, Any, Any]


def _values(body: Mapping[str, Any]) -> Values:
    return body.get("temperature"), body.get("humidity"), body.get("light")


def effects(journal: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The journal's entries that wrote to a sensor, in order."""
    return [entry for entry in journal if entry["method"] == "PATCH" and entry["effect"] != "none"]


def check(
    ledger: Ledger,
    journal: Iterable[Mapping[str, Any]],
    *,
    parked: Collection[tuple[int, int]] = frozenset(),
    earlier: Collection[Sent] = (),
) -> Verdict:
    """Judge a run.

    Args:
        ledger: what was sent and acknowledged.
        journal: the mock backend's (docs/architecture.md section 8), in order.
        parked: device and number of readings that are dead letters.
        earlier: what loads before this one left `open` on the same stack, from devices of their own.
    """
    judge = _Judge(ledger, earlier)
    for entry in effects(journal):
        judge.see(entry)
    promised = [sent for sent in ledger if sent.acknowledged]
    missing = [sent for sent in promised if not judge.took_effect(sent)]
    for sent in missing:
        if (sent.device_id, sent.number) not in parked:
            judge.find(Kind.LOST, sent.device_id, sent.number, f"acknowledged, never at the backend: {sent.body!r}")
    unpromised = sum(judge.took_effect(sent) and not sent.acknowledged for sent in ledger)
    return Verdict(
        acknowledged=len(promised),
        delivered=len(promised) - len(missing),
        repeats=judge.repeats,
        parked=sum((sent.device_id, sent.number) in parked for sent in missing),
        unpromised=unpromised,
        overtaken=judge.overtaken,
        late=judge.late,
        open=tuple(
            sent for sent in ledger if sent.key is None and not sent.acknowledged and not judge.took_effect(sent)
        ),
        findings=tuple(judge.findings),
    )


class _Judge:
    """Goes through the journal once."""

    def __init__(self, ledger: Ledger, earlier: Collection[Sent]) -> None:
        self.findings: list[Finding] = []
        self.repeats = self.overtaken = self.late = 0
        self._open = {(sent.device_id, _values(sent.expected)): sent for sent in earlier}
        self._ledger = ledger
        self._by_values = {(sent.device_id, _values(sent.expected)): sent for sent in ledger}
        self._by_key = {(sent.device_id, sent.key): sent for sent in ledger if sent.key is not None}
        self._key_of: dict[tuple[int, int], str] = {}  # under which key a reading took effect
        self._latest: dict[int, Sent] = {}
        self._highest: Counter[int] = Counter()

    def took_effect(self, sent: Sent) -> bool:
        return (sent.device_id, sent.number) in self._key_of

    def find(self, kind: Kind, device_id: int | None, number: int | None, detail: str) -> None:
        self.findings.append(Finding(kind, device_id, number, detail))

    def see(self, entry: Mapping[str, Any]) -> None:
        """Judge one entry of the journal."""
        body, device_id = entry["body"], entry["sensor_id"]
        key = (entry["idempotency_key"] or "").strip('"')
        where = f"journal entry {entry['n']}, key {key or None}, {body}"
        if not self._ledger.of(device_id) or body.get("id") != device_id:
            open_one = self._open.pop((device_id, _values(body)), None)  # once, and no more
            if open_one is not None and body == open_one.expected and OUR_KEY.fullmatch(key):
                self.late += 1
            else:
                self.find(Kind.FOREIGN, device_id, None, where)
            return
        sent = self._by_values.get((device_id, _values(body)))
        named = self._by_key.get((device_id, key))
        if sent is None or set(body) != set(sent.expected):
            self.find(Kind.ALTERED, device_id, named.number if named else None, f"nothing like it was sent: {where}")
            sent = named
        elif (sent is not named) if sent.key is not None else OUR_KEY.fullmatch(key) is None:
            self.find(Kind.ALTERED, device_id, sent.number, f"under a key that is not its own: {where}")
        if sent is not None:
            self._order(sent, key, where)

    def _order(self, sent: Sent, key: str, where: str) -> None:
        """A reading took effect: for the first time, and in its turn?"""
        name = (sent.device_id, sent.number)
        highest, latest = self._highest[sent.device_id], self._latest.get(sent.device_id)
        before = self._key_of.get(name)
        if before is None:
            self._key_of[name] = key
            if sent.number < highest and sent.acknowledged:
                self.find(Kind.REORDERED, *name, f"after reading {highest}: {where}")
            self.overtaken += sent.number < highest and not sent.acknowledged
        elif before != key:
            self.find(Kind.DUPLICATED, *name, f"stored twice, as {before} and as {key}: {where}")
        elif latest is sent:
            self.repeats += 1
        else:
            self.find(Kind.DUPLICATED, *name, f"took effect again after reading {latest and latest.number}: {where}")
        self._latest[sent.device_id] = sent
        self._highest[sent.device_id] = max(highest, sent.number)
