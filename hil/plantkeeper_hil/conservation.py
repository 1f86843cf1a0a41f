"""The conservation check: is every reading that a board took accounted for, everywhere, unchanged?

Pure: five ledgers in, a verdict out. The ledgers are what each place on a reading's way says of it:
the sensors, the board (`!taken` and `!dropped` on serial), the wire (a POST that was answered 200), PostgreSQL,
and the backend's journal. The law and its findings: docs/harness.md; why so: docs/decisions/0009-conservation-check.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from plantkeeper_hil.readings import Drop, Key, Record, Sensed, Values

REFUSED = "refused"  # a board's reason, docs/console.md


class Kind(Enum):
    """What can befall a reading."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    ALTERED = "altered"
    FOREIGN = "foreign"
    MISREPORTED = "misreported"


class Place(Enum):
    """Where a reading can be seen, in the order of its way."""

    BOARD = "taken by the board"
    WIRE = "acknowledged by the gateway"
    DATABASE = "stored in PostgreSQL"
    BACKEND = "delivered to the backend"


@dataclass(frozen=True)
class Finding:
    """One breach of the law, with the reading's name and the last place that had it."""

    kind: Kind
    device_id: int
    key: Key
    detail: str

    def __str__(self) -> str:
        return f"device {self.device_id} reading {self.key} {self.kind.value}: {self.detail}"


@dataclass(frozen=True)
class Ledgers:
    """What every place says.

    Args:
        taken: readings that boards acknowledged as taken, in order per device.
        acknowledged: readings whose POST the gateway answered with 200, in order.
        stored: rows of PostgreSQL in insertion order.
        delivered: requests that the backend answered with 200, in order of arrival.
        sensed: what the sensors had, by device and key; None for a real board, whose sensors cannot be asked.
        dropped: what boards said that they gave up, in order per device. Such a reading is accounted for if nobody
            behind the board has it and the board's count of them agrees.
        refused: readings whose POST was answered that they will never be taken; None where nobody listened. A board
            that gives up any other as refused loses it.
    """

    taken: Sequence[Record]
    acknowledged: Sequence[Record]
    stored: Sequence[Record]
    delivered: Sequence[Record]
    sensed: Mapping[tuple[int, Key], Sensed] | None = None
    dropped: Sequence[Drop] = ()
    refused: Collection[tuple[int, Key]] | None = None


@dataclass(frozen=True)
class Verdict:
    """Counts of readings and every breach found.

    Args:
        dropped: readings that the board itself gave up, by name: not delivered, and accounted for.
    """

    taken: int
    stored: int
    delivered: int
    findings: tuple[Finding, ...]
    dropped: tuple[Drop, ...] = ()

    @property
    def conserved(self) -> bool:
        """True where each reading was delivered once, in order and unaltered, or dropped by its board, by name."""
        return not self.findings

    def count(self, kind: Kind) -> int:
        """Number of findings of one kind."""
        return sum(finding.kind is kind for finding in self.findings)

    def of_kind(self, kind: Kind) -> list[Finding]:
        """The findings of one kind, in the order found."""
        return [finding for finding in self.findings if finding.kind is kind]


def check(ledgers: Ledgers, *, repeats_allowed: bool = False) -> Verdict:
    """Compare the ledgers reading by reading.

    Args:
        ledgers: what every place says.
        repeats_allowed: True where faults are injected: a delivery may be repeated, as long as no later
            reading of the device was delivered in between (it then has no effect at the backend).
    """
    places = {
        Place.BOARD: ledgers.taken,
        Place.WIRE: ledgers.acknowledged,
        Place.DATABASE: ledgers.stored,
        Place.BACKEND: ledgers.delivered,
    }
    accounted, misreported = _drops(places, ledgers.dropped, ledgers.refused)
    findings = [
        *_lost(places, accounted),
        *_foreign(places),
        *_duplicated(places, repeats_allowed=repeats_allowed),
        *_reordered(places),
        *_altered(places),
        *_unlike_sensors(ledgers.taken, ledgers.sensed),
        *misreported,
    ]
    return Verdict(
        taken=len(_names(ledgers.taken)),
        stored=len(_names(ledgers.stored)),
        delivered=len(_names(ledgers.delivered)),
        findings=tuple(findings),
        dropped=tuple(accounted.values()),
    )


def _name(record: Record) -> tuple[int, Key]:
    return record.device_id, record.key


def _names(records: Iterable[Record]) -> set[tuple[int, Key]]:
    return {_name(record) for record in records}


def _drops(
    places: Mapping[Place, Sequence[Record]], said: Sequence[Drop], refused: Collection[tuple[int, Key]] | None
) -> tuple[dict[tuple[int, Key], Drop], list[Finding]]:
    """Boards' own words held against what the places have: the drops that are accounted for, and what is wrong."""
    seen = {place: _names(records) for place, records in places.items()}
    first_boots = _first_boots(places[Place.BOARD], said)
    counts: dict[tuple[int, int], int] = {}
    accounted: dict[tuple[int, Key], Drop] = {}
    findings = []
    for drop in said:
        name, start = (drop.device_id, drop.key), (drop.device_id, drop.boot)
        arrived = [place.value for place in Place if place is not Place.BOARD and name in seen[place]]
        wrong = []
        if drop.number != counts.get(start, 0) + 1:
            wrong.append(f"number {drop.number} since boot {drop.boot}, after number {counts.get(start, 0)}")
        counts[start] = drop.number
        if name in accounted:
            wrong.append("for the second time")
        elif arrived:
            wrong.append(f"all the same {', '.join(arrived)}")
        elif drop.reason == REFUSED and refused is not None and name in seen[Place.BOARD] and name not in refused:
            wrong.append("but no gateway did")
        elif name in seen[Place.BOARD]:
            accounted[name] = drop
        elif drop.key.boot >= first_boots[drop.device_id]:  # earlier ones waited from before the run
            wrong.append("no board took it")
        findings += [
            Finding(Kind.MISREPORTED, *name, f"the board said that it dropped it ({drop.reason}), {objection}")
            for objection in wrong
        ]
    return accounted, findings


def _first_boots(taken: Iterable[Record], said: Iterable[Drop]) -> dict[int, int]:
    """The first start of each device that the ledgers know of."""
    first: dict[int, int] = {}
    for device_id, boot in [*((r.device_id, r.key.boot) for r in taken), *((d.device_id, d.boot) for d in said)]:
        first[device_id] = min(boot, first.get(device_id, boot))
    return first


def _lost(places: Mapping[Place, Sequence[Record]], accounted: Mapping[tuple[int, Key], Drop]) -> Iterable[Finding]:
    seen = {place: _names(records) for place, records in places.items()}
    for name in sorted(seen[Place.BOARD] - accounted.keys()):
        missing = [place for place in Place if name not in seen[place]]
        if not missing:
            continue
        last_seen = [place for place in Place if name in seen[place]][-1]
        detail = f"last seen: {last_seen.value}; not {', not '.join(place.value for place in missing)}"
        yield Finding(Kind.LOST, *name, detail)


def _foreign(places: Mapping[Place, Sequence[Record]]) -> Iterable[Finding]:
    taken = _names(places[Place.BOARD])
    for place, records in places.items():
        for name in sorted(_names(records) - taken):
            yield Finding(Kind.FOREIGN, *name, f"{place.value}, but no board took it")


def _duplicated(places: Mapping[Place, Sequence[Record]], *, repeats_allowed: bool) -> Iterable[Finding]:
    for place, records in places.items():
        counts = Counter(_name(record) for record in records)
        if place is Place.BACKEND and repeats_allowed:
            counts = _effects(records)
        elif place is Place.WIRE and repeats_allowed:
            continue  # a repeated POST is answered 200 again; the row is what counts
        for name, count in sorted(counts.items()):
            if count > 1:
                yield Finding(Kind.DUPLICATED, *name, f"{count} times {place.value}")


def _effects(records: Iterable[Record]) -> Counter[tuple[int, Key]]:
    """Count deliveries that took effect: a repeat straight after itself leaves the backend as it was."""
    latest: dict[int, Key] = {}
    effects: Counter[tuple[int, Key]] = Counter()
    for record in records:
        if latest.get(record.device_id) != record.key:
            effects[_name(record)] += 1
        latest[record.device_id] = record.key
    return effects


def _reordered(places: Mapping[Place, Sequence[Record]]) -> Iterable[Finding]:
    for place, records in places.items():
        highest: dict[int, Key] = {}
        reported = set()
        for record in records:
            before = highest.get(record.device_id)
            if before is not None and record.key < before and _name(record) not in reported:
                reported.add(_name(record))
                yield Finding(Kind.REORDERED, *_name(record), f"{place.value} after {before}")
            if before is None or record.key > before:
                highest[record.device_id] = record.key


def _altered(places: Mapping[Place, Sequence[Record]]) -> Iterable[Finding]:
    taken: dict[tuple[int, Key], Values] = {_name(r): r.values for r in places[Place.BOARD]}
    unlike: dict[tuple[int, Key], list[str]] = defaultdict(list)
    for place, records in places.items():
        for record in records:
            expected = taken.get(_name(record))
            if expected is not None and record.values != expected:
                unlike[_name(record)].append(f"{place.value} as {record.values}")
    for name, details in sorted(unlike.items()):
        yield Finding(Kind.ALTERED, *name, f"taken as {taken[name]}, but {'; '.join(details)}")


def _unlike_sensors(taken: Sequence[Record], sensed: Mapping[tuple[int, Key], Sensed] | None) -> Iterable[Finding]:
    if sensed is None:
        return
    for record in taken:
        truth = sensed.get(_name(record))
        difference = "the sensors were not read for it" if truth is None else truth.explain_difference(record.values)
        if difference is not None:
            yield Finding(Kind.ALTERED, *_name(record), difference)
