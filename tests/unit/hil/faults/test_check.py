"""The judge is itself judged: each mutation of a perfect run must be caught and named, and none invented."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from plantkeeper_hil.conservation import Kind
from plantkeeper_hil.faults.check import Verdict, check
from plantkeeper_hil.faults.ledger import Ledger, Sent, fleet, reading_of

Journal = list[dict[str, Any]]
BREACHES = tuple(Kind)


def entry(sent: Sent, reading_id: int, **changed: Any) -> dict[str, Any]:
    key = sent.key if sent.key is not None else f"reading-{reading_id}"
    return {
        "n": reading_id,
        "method": "PATCH",
        "sensor_id": sent.device_id,
        "idempotency_key": f'"{key}"',
        "body": dict(sent.expected),
        "status": 200,
        "effect": "applied",
        **changed,
    }


@st.composite
def perfect_runs(draw: st.DrawFn) -> tuple[Ledger, Journal]:
    """1–4 devices of both kinds, each with some readings, all acknowledged, delivered in order, devices mixed."""
    ledger = Ledger()
    first = draw(st.integers(1, 200_000))
    queues = []
    for device in fleet(draw(st.integers(1, 4))):
        readings = [reading_of(device, first + at) for at in range(draw(st.integers(1, 6)))]
        for sent in readings:
            sent.posts, sent.acknowledged = 1, True
            ledger.add(sent)
        queues.append(readings)
    journal: Journal = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        journal.append(entry(queue.pop(0), len(journal) + 1))
    return ledger, journal


def counts(verdict: Verdict) -> dict[Kind, int]:
    return {kind: verdict.count(kind) for kind in BREACHES if verdict.count(kind)}


def sent_of(ledger: Ledger, of: dict[str, Any]) -> Sent:
    return next(s for s in ledger if s.device_id == of["sensor_id"] and s.expected == of["body"])


@given(perfect_runs())
def test_control_without_mutation_is_clean(run: tuple[Ledger, Journal]) -> None:
    ledger, journal = run
    verdict = check(ledger, journal)
    assert verdict.findings == ()
    assert verdict.acknowledged == verdict.delivered == len(journal)
    assert (verdict.repeats, verdict.parked, verdict.unpromised, verdict.overtaken) == (0, 0, 0, 0)


@given(perfect_runs(), st.data())
def test_a_dropped_reading_is_lost(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    gone = sent_of(ledger, journal.pop(data.draw(st.integers(0, len(journal) - 1))))
    [finding] = check(ledger, journal).findings
    assert (finding.kind, finding.device_id, finding.number) == (Kind.LOST, gone.device_id, gone.number)
    assert repr(gone.body) in str(finding)


@given(perfect_runs(), st.data())
def test_a_parked_reading_is_not_lost_and_is_counted(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    gone = sent_of(ledger, journal.pop(data.draw(st.integers(0, len(journal) - 1))))
    verdict = check(ledger, journal, parked={(gone.device_id, gone.number)})
    assert (verdict.findings, verdict.parked) == ((), 1)


@given(perfect_runs(), st.data())
def test_the_newest_once_more_is_a_repeat(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    journal.insert(at, journal[at])
    verdict = check(ledger, journal)
    assert (verdict.findings, verdict.repeats) == ((), 1)


@given(perfect_runs(), st.data())
def test_once_more_after_a_later_one_is_duplicated(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    old = data.draw(st.sampled_from(journal))
    assume(any(e["sensor_id"] == old["sensor_id"] for e in journal[journal.index(old) + 1 :]))
    verdict = check(ledger, [*journal, old])
    assert counts(verdict) == {Kind.DUPLICATED: 1}
    assert verdict.findings[0].number == sent_of(ledger, old).number


@given(perfect_runs(), st.data())
def test_one_post_stored_twice_is_duplicated(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    assume(journal[at]["idempotency_key"].startswith('"reading-'))
    journal.insert(at + 1, {**journal[at], "idempotency_key": '"reading-900"'})
    assert counts(check(ledger, journal)) == {Kind.DUPLICATED: 1}


@given(perfect_runs(), st.data())
def test_swapped_readings_of_a_device_are_reordered(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    pairs = [
        (i, j)
        for i, a in enumerate(journal)
        for j in range(i + 1, len(journal))
        if a["sensor_id"] == journal[j]["sensor_id"]
    ]
    assume(pairs)
    i, j = data.draw(st.sampled_from(pairs))
    earlier = sent_of(ledger, journal[i])
    journal[i], journal[j] = journal[j], journal[i]
    verdict = check(ledger, journal)
    assert set(counts(verdict)) == {Kind.REORDERED}
    assert (earlier.device_id, earlier.number) in {(f.device_id, f.number) for f in verdict.findings}


@given(
    perfect_runs(), st.data(), st.sampled_from(["temperature", "humidity", "light"]), st.sampled_from([None, -1, 0.5])
)
def test_a_changed_value_is_altered(
    run: tuple[Ledger, Journal], data: st.DataObject, name: str, change: float | None
) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    body = dict(journal[at]["body"])
    assume(name in body)
    value = body.pop(name)
    if change is not None:
        body[name] = value + change
    assume(all(body != sent.expected for sent in ledger))
    journal[at] = {**journal[at], "body": body}
    assert check(ledger, journal).count(Kind.ALTERED) == 1


@given(perfect_runs(), st.data())
def test_an_added_field_is_altered(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    journal[at] = {**journal[at], "body": {**journal[at]["body"], "age_s": 3}}
    assert check(ledger, journal).count(Kind.ALTERED) == 1


@given(perfect_runs(), st.data(), st.sampled_from(["3-999999", "reading-x", "", "7-1"]))
def test_a_changed_key_is_altered(run: tuple[Ledger, Journal], data: st.DataObject, key: str) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    journal[at] = {**journal[at], "idempotency_key": f'"{key}"'}
    assert counts(check(ledger, journal)) == {Kind.ALTERED: 1}


@given(perfect_runs(), st.data())
def test_a_strangers_reading_is_foreign(run: tuple[Ledger, Journal], data: st.DataObject) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal)))
    stranger = {**journal[0], "sensor_id": 99, "body": {**journal[0]["body"], "id": 99}}
    journal.insert(at, stranger)
    assert counts(check(ledger, journal)) == {Kind.FOREIGN: 1}


@given(perfect_runs(), st.data())
def test_another_sensor_in_the_body_than_in_the_path_is_foreign(
    run: tuple[Ledger, Journal], data: st.DataObject
) -> None:
    ledger, journal = run
    at = data.draw(st.integers(0, len(journal) - 1))
    journal[at] = {**journal[at], "body": {**journal[at]["body"], "id": journal[at]["sensor_id"] + 1}}
    assert check(ledger, journal).count(Kind.FOREIGN) == 1


@given(perfect_runs(), st.data())
def test_what_was_never_acknowledged_may_be_missing_or_late_but_not_twice(
    run: tuple[Ledger, Journal], data: st.DataObject
) -> None:
    ledger, journal = run
    chosen = data.draw(st.sampled_from(journal))
    sent = sent_of(ledger, chosen)
    sent.acknowledged = False
    assert check(ledger, journal).unpromised == 1
    without = [e for e in journal if e is not chosen]
    assert check(ledger, without).findings == ()
    late = check(ledger, [*without, chosen])
    assert late.findings == ()
    overtaken = any(e["sensor_id"] == sent.device_id for e in journal[journal.index(chosen) + 1 :])
    assert late.overtaken == int(overtaken)
    if overtaken:
        assert counts(check(ledger, [*journal, chosen])) == {Kind.DUPLICATED: 1}


@given(perfect_runs())
def test_requests_without_effect_count_for_nothing(run: tuple[Ledger, Journal]) -> None:
    ledger, journal = run
    failed = [{**e, "status": 500, "effect": "none"} for e in journal]
    assert check(ledger, [*failed, *journal, *failed]).findings == ()
    assert check(ledger, failed).count(Kind.LOST) == len(journal)


def test_what_an_earlier_load_was_not_promised_may_come_late_once() -> None:
    """A POST that was answered 503, or not at all, while the database was cut off: it may be stored afterwards."""
    device, other = fleet(1, first=233)[0], fleet(1, first=301)[0]
    before, now = Ledger(), Ledger()
    promised, taken, unanswered = (reading_of(device, number) for number in (13, 14, 15))
    promised.acknowledged = True
    for sent in (promised, taken, unanswered):
        before.add(sent)
    earlier = check(before, [entry(promised, 1), entry(taken, 2)]).open
    assert earlier == (unanswered,)
    ours = reading_of(other, 1)
    ours.acknowledged = True
    now.add(ours)
    verdict = check(now, [entry(unanswered, 3), entry(ours, 4)], earlier=earlier)
    assert (counts(verdict), verdict.late, verdict.delivered) == ({}, 1, 1)
    foreign = (
        entry(unanswered, 5),  # stored twice
        entry(taken, 5),  # likewise, the first time under its own load
        entry(promised, 5),
        entry(unanswered, 5, body={**unanswered.expected, "light": 16}),
    )
    for late in foreign:
        verdict = check(now, [entry(unanswered, 3), late, entry(ours, 6)], earlier=earlier)
        assert (counts(verdict), verdict.late) == ({Kind.FOREIGN: 1}, 1)
    altered = entry(unanswered, 3, body={**unanswered.expected, "extra": 1})
    assert counts(check(now, [altered, entry(ours, 4)], earlier=earlier)) == {Kind.FOREIGN: 1}
    assert counts(check(now, [entry(unanswered, 3), entry(ours, 4)])) == {Kind.FOREIGN: 1}
