"""The verdict on facts: what keeps readings from being stored, and what merely needs care."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.database import Row
from plantkeeper_proxy.errors import SchemaError, StoreError
from plantkeeper_proxy.facts import (
    CHECK_AGE_S,
    DEVICES_AGE_S,
    FIGURES_AGE_S,
    Facts,
    FactsReader,
    Figures,
    ForwarderFacts,
)
from plantkeeper_proxy.health import CERTIFICATE_WARNING_S, Limits, judge
from plantkeeper_proxy.schema import REVISION, judge_revision

NOW_S = 1_800_000_000.0
LIMITS = Limits(REVISION, backlog_alarm_s=900, forwarder_silent_s=60)
WELL = ForwarderFacts("f1", 3.0, {"certificate_expires_s": NOW_S + 90 * 86_400}, {})


def verdict(**figures: Any) -> tuple[str, list[str]]:
    health = judge(
        Facts(revision=REVISION, figures=Figures(**{"forwarders": (WELL,), **figures})), LIMITS, epoch_s=NOW_S
    )
    assert health.http_status == 200
    return health.status, list(health.alarms)


def test_all_is_well() -> None:
    health = judge(Facts(revision=REVISION, figures=Figures(3, 1.5, 0, (WELL,))), LIMITS, epoch_s=NOW_S)
    assert (health.status, health.http_status) == ("ready", 200)
    assert json.loads(health.body()) == {
        "status": "ready",
        "alarms": [],
        "database": "up",
        "schema": {"wanted": REVISION, "found": REVISION},
        "backlog": {"readings": 3, "oldest_age_s": 1.5},
        "dead_letters": 0,
        "certificate": {"state": "ok", "expires_at": "2027-04-15T08:00:00Z"},
        "forwarders": [{"name": "f1", "silent_s": 3.0, "alarms": {}}],
    }


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (Facts(error="cannot connect", database_up=False), "Readings cannot be taken: cannot connect."),
        (Facts(error="the schema is at revision none"), "Readings cannot be taken: the schema is at revision none."),
    ],
)
def test_only_what_keeps_readings_from_being_stored_is_not_ready(facts: Facts, said: str) -> None:
    health = judge(facts, LIMITS, epoch_s=NOW_S)
    assert (health.status, health.http_status, list(health.alarms)) == ("not ready", 503, [said])


def expiring(in_s: float) -> ForwarderFacts:
    return ForwarderFacts("f1", 3.0, {"certificate_expires_s": NOW_S + in_s}, {})


REFUSED = ForwarderFacts("f2", 3.0, {}, {"certificate": "hostname mismatch"})


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"backlog": 9, "oldest_age_s": 900.1}, "The oldest of 9 waiting readings has waited 900 s, longer than 900 s"),
        ({"dead_letters": 1}, "refused 1 reading for good: see why with `plantkeeper-proxy deadletter list`"),
        ({"forwarders": ()}, "No forwarder was seen within 60 s"),
        ({"forwarders": (ForwarderFacts("f1", 61.0, {}, {}),)}, "No forwarder was seen"),
        ({"forwarders": (WELL, REFUSED)}, "certificate is refused: hostname mismatch. Nothing is sent"),
        ({"forwarders": (expiring(CERTIFICATE_WARNING_S - 1),)}, "certificate ends on 2027-01-29T07:59:59Z"),
        ({"forwarders": (expiring(-1),)}, "certificate ended on "),
        ({"forwarders": (ForwarderFacts("f", 1.0, {}, {"backend": "no answer"}),)}, "The backend is down: no answer."),
        ({"default_used": True}, "reading_default"),
        ({"next_month_missing": True}, "Next month has no partition"),
    ],
)
def test_what_needs_care_is_degraded_and_still_200(figures: dict[str, Any], said: str) -> None:
    status, alarms = verdict(**figures)
    assert status == "degraded"
    assert len(alarms) == 1
    assert said in alarms[0]


def test_at_the_limits_nothing_is_raised() -> None:
    assert verdict(backlog=1, oldest_age_s=900.0, forwarders=(expiring(CERTIFICATE_WARNING_S),)) == ("ready", [])


def test_tables_that_cannot_be_read_are_said() -> None:
    health = judge(Facts(revision=REVISION, figures_error="too slow"), LIMITS, epoch_s=NOW_S)
    assert (health.status, list(health.alarms)) == ("degraded", ["The database's tables could not be read: too slow."])


@given(st.text(), st.text(), st.floats(0, 1e9))
def test_whatever_a_forwarder_says_is_json(name: str, alarm: str, silent_s: float) -> None:
    forwarders = (ForwarderFacts(name, silent_s, {"certificate_expires_s": None}, {"certificate": alarm, "x": alarm}),)
    body = judge(Facts(figures=Figures(forwarders=forwarders)), LIMITS, epoch_s=NOW_S).body()
    assert json.loads(body)["status"] == "degraded"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "none, this gateway needs"),
        ([("0000", "0000")], "0000, this"),
        ([("9999", None)], "install the gateway that belongs"),
        ([("9999", "9998")], "install the gateway that belongs"),
    ],
)
def test_another_schema_is_refused_with_a_remedy(rows: list[Row], said: str) -> None:
    with pytest.raises(SchemaError) as error:
        judge_revision(rows)
    assert said in str(error.value)
    assert ("run plantkeeper-db migrate" in str(error.value)) == (rows in ([], [("0000", "0000")]))


@pytest.mark.parametrize("row", [(REVISION, None), (REVISION, REVISION), ("9999", REVISION), ("9999", "0000")])
def test_a_later_schema_that_leaves_in_place_what_we_need_is_taken(row: Row) -> None:
    assert judge_revision([row]) == row[0]


class Source:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[str, StoreError] = {}

    def check(self) -> None:
        self._ask("check")

    def query(self, name: str, arguments: object = None) -> list[Row]:
        self._ask(name)
        rows: dict[str, list[Row]] = {
            "backlog": [(2, 1.0)],
            "dead_letter_count": [(1,)],
            "partitions": [(True, False)],
            "devices": [(9, 4)],
            "forwarders": [("f1", 3.0, {"delivered": 1}, {})],
        }
        return rows[name]

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.fails:
            raise self.fails[name]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_database_is_asked_no_more_than_needed() -> None:
    source, clock = Source(), Clock()
    reader = FactsReader(source, monotonic_s=clock)
    first = reader.read()
    assert first.figures == Figures(
        2,
        1.0,
        1,
        (ForwarderFacts("f1", 3.0, {"delivered": 1}, {}),),
        default_used=True,
        devices_known=9,
        devices_silent=4,
    )
    assert first.revision == REVISION
    assert source.asked == ["check", "backlog", "dead_letter_count", "partitions", "devices", "forwarders"]
    assert reader.read() is first
    clock.now_s += CHECK_AGE_S
    reader.read()
    assert source.asked[6:] == ["check"]
    clock.now_s += FIGURES_AGE_S
    reader.read()
    assert source.asked[7:] == ["check", "backlog", "dead_letter_count", "partitions", "forwarders"]
    clock.now_s += DEVICES_AGE_S
    reader.read()
    assert source.asked.count("devices") == 2


def test_a_database_that_fails_is_told_apart() -> None:
    source, clock = Source(), Clock()
    reader = FactsReader(source, monotonic_s=clock)
    source.fails = {"check": StoreError("gone")}
    assert reader.read() == Facts(error="gone", database_up=False)
    clock.now_s += 10
    source.fails = {"check": SchemaError("old", found="0001")}
    assert reader.read() == Facts(error="old", database_up=True, revision="0001")
    clock.now_s += 10
    source.fails = {"backlog": StoreError("slow")}
    assert reader.read() == Facts(revision=REVISION, figures=None, figures_error="slow")
