"""The checker is itself checked: each mutation of perfect ledgers must be caught and named, and none invented."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.conservation import Kind, Ledgers, check
from plantkeeper_hil.readings import Drop, Key, Record, Sensed, Values, humidity_percent, light_level

PLACES = ("taken", "acknowledged", "stored", "delivered")


@st.composite
def perfect_ledgers(draw: st.DrawFn) -> Ledgers:
    """Ledgers of a run in which nothing went wrong: 1–3 devices, several boots, interleaved."""
    records: list[Record] = []
    sensed = {}
    for device_id in range(1, draw(st.integers(1, 3)) + 1):
        for boot in range(1, draw(st.integers(1, 2)) + 1):
            for seq in range(1, draw(st.integers(1, 6)) + 1):
                adc, count, celsius = draw(st.tuples(st.integers(0, 1023), st.integers(0, 2000), st.integers(0, 50)))
                values = Values(float(celsius), humidity_percent(adc), light_level(count))
                records.append(Record(device_id, Key(boot, seq), values))
                sensed[device_id, Key(boot, seq)] = Sensed(float(celsius), (adc,), (count,))
    mixed = draw(st.permutations(records))
    order = sorted(mixed, key=lambda r: r.key) if draw(st.booleans()) else records
    return Ledgers(order, order, order, order, sensed)


def with_place(ledgers: Ledgers, place: str, records: Sequence[Record]) -> Ledgers:
    changed: Any = {place: records}
    return replace(ledgers, **changed)


@given(perfect_ledgers())
def test_control_without_mutation_is_conserved(ledgers: Ledgers) -> None:
    verdict = check(ledgers)
    assert verdict.conserved, verdict.findings
    assert verdict.taken == verdict.stored == verdict.delivered == len(ledgers.taken)


@given(perfect_ledgers(), st.data())
def test_dropped_record_is_named_as_lost(ledgers: Ledgers, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(PLACES[1:]))
    victim = data.draw(st.sampled_from(list(ledgers.taken)))
    kept = [r for r in getattr(ledgers, place) if r != victim]
    verdict = check(with_place(ledgers, place, kept))
    assert [(f.device_id, f.key) for f in verdict.of_kind(Kind.LOST)] == [(victim.device_id, victim.key)]
    assert verdict.count(Kind.LOST) == len(verdict.findings)


@given(perfect_ledgers(), st.data())
def test_repeated_record_is_named_as_duplicated(ledgers: Ledgers, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(PLACES))
    records = list(getattr(ledgers, place))
    at = data.draw(st.integers(0, len(records) - 1))
    records.insert(at, records[at])
    verdict = check(with_place(ledgers, place, records))
    assert [f.key for f in verdict.of_kind(Kind.DUPLICATED)] == [records[at].key]


@given(perfect_ledgers(), st.data())
def test_swapped_records_of_a_device_are_named_as_reordered(ledgers: Ledgers, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(PLACES))
    records = list(getattr(ledgers, place))
    pairs = [
        (i, j) for i, a in enumerate(records) for j, b in enumerate(records) if i < j and a.device_id == b.device_id
    ]
    if not pairs:
        return
    i, j = data.draw(st.sampled_from(pairs))
    earlier = records[i]
    records[i], records[j] = records[j], records[i]
    verdict = check(with_place(ledgers, place, records))
    assert (earlier.device_id, earlier.key) in [(f.device_id, f.key) for f in verdict.of_kind(Kind.REORDERED)]


@given(perfect_ledgers(), st.data(), st.sampled_from(["temperature", "humidity", "light"]), st.booleans())
def test_changed_value_is_named_as_altered(ledgers: Ledgers, data: st.DataObject, field: str, missing: bool) -> None:
    place = data.draw(st.sampled_from(PLACES))
    records = list(getattr(ledgers, place))
    at = data.draw(st.integers(0, len(records) - 1))
    wrong = None if missing else getattr(records[at].values, field) + 1
    records[at] = replace(records[at], values=replace(records[at].values, **{field: wrong}))
    verdict = check(with_place(ledgers, place, records))
    assert {f.key for f in verdict.of_kind(Kind.ALTERED)} == {records[at].key}


@given(perfect_ledgers(), st.sampled_from(PLACES[1:]))
def test_record_that_no_board_took_is_named_as_foreign(ledgers: Ledgers, place: str) -> None:
    stranger = Record(99, Key(1, 1), Values(1.0, 2, 3))
    verdict = check(with_place(ledgers, place, [*getattr(ledgers, place), stranger]))
    assert [(f.kind, f.device_id) for f in verdict.findings] == [(Kind.FOREIGN, 99)]


# ---- what boards say that they gave up --------------------------------------------------------------------------


@st.composite
def ledgers_with_drops(draw: st.DrawFn) -> Ledgers:
    """Perfect ledgers of boards that gave up some readings, and named each: in its own start, or in a later one."""
    ledgers = draw(perfect_ledgers())
    given_up = draw(st.lists(st.sampled_from(list(ledgers.taken)), min_size=1, unique=True))
    last_boot = {r.device_id: r.key.boot for r in sorted(ledgers.taken, key=lambda r: r.key)}
    reasons = st.sampled_from(["full", "refused", "storage"])
    drops: list[Drop] = []
    for record in sorted(given_up, key=lambda r: (r.device_id, r.key)):
        boot = draw(st.integers(record.key.boot, last_boot[record.device_id]))
        before = [drop for drop in drops if (drop.device_id, drop.boot) == (record.device_id, boot)]
        drops.append(Drop(record.device_id, record.key, draw(reasons), boot, len(before) + 1))
    kept = [record for record in ledgers.taken if record not in given_up]
    return replace(ledgers, acknowledged=kept, stored=kept, delivered=kept, dropped=drops)


def named(ledgers: Ledgers) -> set[tuple[int, Key]]:
    return {(drop.device_id, drop.key) for drop in ledgers.dropped}


@given(ledgers_with_drops())
def test_drops_that_the_board_named_are_accounted_for(ledgers: Ledgers) -> None:
    verdict = check(ledgers)
    assert verdict.conserved, verdict.findings
    assert {(drop.device_id, drop.key) for drop in verdict.dropped} == named(ledgers)
    assert verdict.taken - len(verdict.dropped) == verdict.stored == verdict.delivered


@given(ledgers_with_drops(), st.data())
def test_a_drop_that_the_board_does_not_name_is_lost(ledgers: Ledgers, data: st.DataObject) -> None:
    unnamed = data.draw(st.sampled_from(list(ledgers.dropped)))
    rest = [drop for drop in ledgers.dropped if drop != unnamed]
    verdict = check(replace(ledgers, dropped=rest))
    assert [(f.device_id, f.key) for f in verdict.of_kind(Kind.LOST)] == [(unnamed.device_id, unnamed.key)]
    later = [
        d for d in rest if (d.device_id, d.boot) == (unnamed.device_id, unnamed.boot) and d.number > unnamed.number
    ]
    assert [f.key for f in verdict.of_kind(Kind.MISREPORTED)] == [drop.key for drop in later[:1]]  # the gap shows once


@given(ledgers_with_drops(), st.data())
def test_a_named_drop_that_arrived_all_the_same_is_misreported(ledgers: Ledgers, data: st.DataObject) -> None:
    drop = data.draw(st.sampled_from(list(ledgers.dropped)))
    places = data.draw(st.sets(st.sampled_from(PLACES[1:]), min_size=1))
    for place in places:
        kept = [
            r
            for r in ledgers.taken
            if r in getattr(ledgers, place) or (r.device_id, r.key) == (drop.device_id, drop.key)
        ]
        ledgers = with_place(ledgers, place, kept)
    verdict = check(ledgers)
    assert [(f.device_id, f.key) for f in verdict.of_kind(Kind.MISREPORTED)] == [(drop.device_id, drop.key)]
    assert drop not in verdict.dropped
    assert verdict.count(Kind.LOST) == (len(places) < len(PLACES[1:]))  # and it is nobody's drop where it got stuck


@given(ledgers_with_drops(), st.data(), st.integers(0, 9))
def test_a_count_that_disagrees_is_misreported(ledgers: Ledgers, data: st.DataObject, number: int) -> None:
    drops = list(ledgers.dropped)
    at = data.draw(st.integers(0, len(drops) - 1))
    if number == drops[at].number:
        return
    drops[at] = replace(drops[at], number=number)
    found = check(replace(ledgers, dropped=drops)).of_kind(Kind.MISREPORTED)
    assert (drops[at].device_id, drops[at].key) in [(f.device_id, f.key) for f in found]


@given(ledgers_with_drops(), st.data())
def test_a_drop_named_twice_is_misreported(ledgers: Ledgers, data: st.DataObject) -> None:
    last = max(ledgers.dropped, key=lambda drop: (drop.boot, drop.number))
    again = replace(last, number=last.number + 1)
    verdict = check(replace(ledgers, dropped=[*ledgers.dropped, again]))
    assert [(f.kind, f.key) for f in verdict.findings] == [(Kind.MISREPORTED, last.key)]
    assert len(verdict.dropped) == len(ledgers.dropped)


@given(ledgers_with_drops())
def test_a_drop_of_what_no_board_took_is_misreported(ledgers: Ledgers) -> None:
    stranger = Drop(99, Key(1, 1), "full", boot=1, number=1)
    verdict = check(replace(ledgers, dropped=[*ledgers.dropped, stranger]))
    assert [(f.kind, f.device_id) for f in verdict.findings] == [(Kind.MISREPORTED, 99)]


def test_a_drop_of_a_reading_from_before_the_run_is_none_of_it() -> None:
    one = [Record(1, Key(5, 1), Values(20.0, 50, 1000))]
    verdict = check(Ledgers(one, one, one, one, dropped=[Drop(1, Key(4, 9), "refused", boot=5, number=1)]))
    assert verdict.conserved
    assert verdict.dropped == ()


def reading(seq: int) -> Record:
    return Record(1, Key(1, seq), Values(20.0, 50, 1000))


@pytest.mark.parametrize(
    ("reason", "refused", "kinds"),
    [
        ("refused", None, []),
        ("refused", [(1, Key(1, 1))], []),
        ("refused", [(1, Key(1, 2)), (2, Key(1, 1))], [Kind.LOST, Kind.MISREPORTED]),
        ("full", [], []),
    ],
)
def test_what_no_gateway_refused_is_not_given_up_as_refused(
    reason: str, refused: list[tuple[int, Key]] | None, kinds: list[Kind]
) -> None:
    """A board that gives up readings at a 503 loses them, whatever it calls that."""
    one = [reading(1)]
    drop = Drop(1, one[0].key, reason, boot=1, number=1)
    verdict = check(Ledgers(one, [], [], [], dropped=[drop], refused=refused))
    assert [finding.kind for finding in verdict.findings] == kinds
    assert verdict.dropped == (() if kinds else (drop,))


def test_message_names_device_key_and_last_place() -> None:
    one = [reading(1)]
    (finding,) = check(Ledgers(one, one, [], [])).findings
    assert str(finding) == (
        "device 1 reading 1-1 lost: last seen: acknowledged by the gateway; "
        "not stored in PostgreSQL, not delivered to the backend"
    )


def test_message_tells_what_the_board_said_and_what_is_so() -> None:
    one = [reading(1)]
    (finding,) = check(Ledgers(one, [], one, one, dropped=[Drop(1, Key(1, 1), "full", boot=1, number=1)])).findings[1:]
    assert str(finding) == (
        "device 1 reading 1-1 misreported: the board said that it dropped it (full), "
        "all the same stored in PostgreSQL, delivered to the backend"
    )


def test_repeat_straight_after_itself_has_no_effect_and_is_allowed_under_faults_only() -> None:
    records = [reading(1), reading(2)]
    delivered = [reading(1), reading(1), reading(2)]
    ledgers = Ledgers(records, records, records, delivered)
    assert check(ledgers, repeats_allowed=True).conserved
    assert check(ledgers).count(Kind.DUPLICATED) == 1


def test_repeat_after_a_later_reading_took_effect_again() -> None:
    records = [reading(1), reading(2)]
    ledgers = Ledgers(records, records, records, [reading(1), reading(2), reading(1)])
    verdict = check(ledgers, repeats_allowed=True)
    assert {f.kind for f in verdict.findings} == {Kind.DUPLICATED, Kind.REORDERED}


def test_reading_without_any_sensor_access_is_altered() -> None:
    one = [reading(1)]
    (finding,) = check(Ledgers(one, one, one, one, sensed={})).findings
    assert finding.detail == "the sensors were not read for it"


def test_key_order_is_by_boot_then_sequence_as_numbers() -> None:
    assert Key(1, 10) > Key(1, 9)
    assert Key(2, 1) > Key(1, 4_000_000_000)


@pytest.mark.parametrize("text", ["", "3", "3-", "-1", "0-1", "1-0", "01-1", "1-1 ", "1-1-1", "1-99999999999"])
def test_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a reading's key"):
        Key.parse(text)


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_key_round_trip(boot: int, seq: int) -> None:
    key = Key(boot, seq)
    assert Key.parse(str(key)) == Key.parse(f'"{key}"') == key


@pytest.mark.parametrize(
    ("adc_code", "percent"),
    [(1023, 0), (1022, 0), (1021, 1), (862, 50), (861, 50), (700, 100), (0, 100), (702, 99), (701, 100)],
)
def test_soil_conversion(adc_code: int, percent: int) -> None:
    assert humidity_percent(adc_code) == percent


@pytest.mark.parametrize(("count", "level"), [(0, 0), (160, 0), (161, 3), (480, 1000), (800, 2000), (65535, 2000)])
def test_light_conversion(count: int, level: int) -> None:
    assert light_level(count) == level
