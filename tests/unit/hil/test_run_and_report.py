"""Plans, bursts, ledgers, latency, and what a report says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from plantkeeper_hil import ledgers
from plantkeeper_hil.conservation import Finding, Kind, Verdict
from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.latency import Latency, summarise
from plantkeeper_hil.ledgers import LedgerError
from plantkeeper_hil.readings import Drop, Key, Record, Values
from plantkeeper_hil.report import html
from plantkeeper_hil.report.html import title_of, what_happened
from plantkeeper_hil.report.model import DeviceLine, FirmwareFacts, Point, RunReport, Truth, conclusion, summary
from plantkeeper_hil.report.table import render
from plantkeeper_hil.run.evidence import count_bursts
from plantkeeper_hil.run.plan import RunPlan, readings_expected
from plantkeeper_sim.events import Event

# ---- plans -----------------------------------------------------------------------------------------------------


def test_boards_have_ids_from_one_and_addresses_of_their_own() -> None:
    plan = RunPlan(seed=1, hours=1, boards=3)
    configs = [plan.config(device_id) for device_id in plan.device_ids]
    assert [str(config.address) for config in configs] == ["192.0.2.20", "192.0.2.21", "192.0.2.22"]
    assert [config.device_id for config in configs] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"seed": -1}, "--seed -1"),
        ({"hours": 0}, "--hours 0"),
        ({"hours": float("nan")}, "--hours nan"),
        ({"hours": 1e9}, "--hours 1e[+]09"),
        ({"boards": 0}, "--boards 0"),
        ({"boards": 101}, "--boards 101"),
    ],
)
def test_a_number_out_of_range_is_named(words: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        RunPlan(**{"seed": 1, "hours": 1, "boards": 1, **words})


def test_a_day_has_288_readings() -> None:
    assert readings_expected(86_400, 300) == (288, 289)


@given(st.floats(0, 1e6), st.integers(1, 16383).map(lambda n: 4 * n), st.floats(0, 3.999))
def test_every_start_within_four_seconds_is_within_the_bounds(virtual_s: float, period_s: int, first_s: float) -> None:
    taken = 0 if virtual_s < first_s else int((virtual_s - first_s) // period_s) + 1
    fewest, most = readings_expected(virtual_s, period_s)
    assert fewest <= taken <= most


@pytest.mark.parametrize(
    ("instants", "bursts"), [([], 0), ([5], 1), ([5, 6, 7], 1), ([5, 20], 2), ([5, 15, 25, 36], 2)]
)
def test_bursts(instants: list[int], bursts: int) -> None:
    assert count_bursts(instants, apart=10) == bursts


# ---- ledgers ---------------------------------------------------------------------------------------------------

REQUEST = (
    b'POST /sensor-data HTTP/1.1\r\nIdempotency-Key: "3-42"\r\nContent-Length: 51\r\n\r\n'
    b'{"id":7,"temperature":21,"humidity":40,"light":900}'
)
RECORD = Record(7, Key(3, 42), Values(21.0, 40.0, 900.0))


def test_a_post_is_read_back() -> None:
    post = ledgers.parse_post(REQUEST, b"HTTP/1.1 200 OK\r\n\r\n", 1.5)
    assert (post.record, post.status, post.sent_monotonic_s) == (RECORD, 200, 1.5)


@pytest.mark.parametrize(("answer", "status"), [(b"", None), (b"HTTP/1.1 5", 5), (b"SSH-2.0\r\n", None)])
def test_an_answer_without_a_status_line_has_no_status(answer: bytes, status: int | None) -> None:
    assert ledgers.parse_post(REQUEST, answer, 0).status == status


@pytest.mark.parametrize(
    "request_",
    [b"", b"GET / HTTP/1.1\r\n\r\n", REQUEST[:-1], REQUEST.replace(b"3-42", b"x"), REQUEST.replace(b"Idem", b"X")],
)
def test_what_is_no_post_is_named(request_: bytes) -> None:
    with pytest.raises(LedgerError, match="not a POST of a reading"):
        ledgers.parse_post(request_, b"", 0)


def test_taken_stored_and_delivered_agree_on_a_record() -> None:
    event = {"key": "3-42", "temperature": "21", "humidity": "40", "light": "900"}
    row = {"id": 1, "device_id": 7, "idempotency_key": "3-42", "temperature": 21.0, "humidity": 40.0, "light": 900.0}
    body = {"id": 7, "temperature": 21, "humidity": 40, "light": 900}
    entry = {"n": 1, "method": "PATCH", "status": 200, "sensor_id": 7, "idempotency_key": '"3-42"', "body": body}
    assert ledgers.taken_record(7, event) == RECORD
    assert ledgers.stored_records([row]) == [RECORD]
    assert ledgers.delivered_records([entry]) == [RECORD]
    assert ledgers.delivered_entries([entry, {**entry, "status": 500}, {**entry, "method": "GET"}]) == [entry]


def test_an_entry_that_writes_another_sensor_is_named() -> None:
    entry = {"n": 3, "sensor_id": 8, "idempotency_key": '"3-42"', "body": {"id": 7}}
    with pytest.raises(LedgerError, match="journal entry 3: path names sensor 8, body 7"):
        ledgers.delivered_records([entry])


@pytest.mark.parametrize(
    "event", [{}, {"key": "3-42"}, {"key": "x", "temperature": "1", "humidity": "1", "light": "1"}]
)
def test_a_taken_line_that_is_no_reading_is_named(event: dict[str, str]) -> None:
    with pytest.raises(LedgerError, match="device 7: the event !taken"):
        ledgers.taken_record(7, event)


def event(name: str, **fields: str) -> Event:
    return Event(0, name, fields)


def test_drops_carry_the_start_in_which_the_board_gave_them_up() -> None:
    said = [
        event("boot", boot="3"),
        event("dropped", key="2-9", reason="full", status="0", drops="1"),
        event("taken", key="3-1"),
        event("boot", boot="4"),
        event("dropped", key="3-1", reason="refused", status="400", drops="1"),
    ]
    assert ledgers.drops(7, said) == [Drop(7, Key(2, 9), "full", 3, 1), Drop(7, Key(3, 1), "refused", 4, 1)]


@pytest.mark.parametrize(
    "said",
    [
        [event("dropped", key="2-9", reason="full", drops="1")],
        [event("boot", boot="3"), event("dropped", key="2-9", reason="full")],
        [event("boot", boot="3"), event("dropped", key="2", reason="full", drops="1")],
        [event("boot", boot="x")],
    ],
)
def test_a_drop_that_cannot_be_read_is_named(said: list[Event]) -> None:
    with pytest.raises(LedgerError, match=f"device 7: the event !{said[-1].name}"):
        ledgers.drops(7, said)


def test_latency_runs_from_the_first_post_to_the_first_delivery() -> None:
    posts = [ledgers.parse_post(REQUEST, b"", at) for at in (1.0, 2.0)]
    entries = [{"sensor_id": 7, "idempotency_key": '"3-42"', "monotonic_s": at} for at in (2.5, 3.5)]
    assert ledgers.latencies_s(posts, entries) == {(7, Key(3, 42)): 1.5}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_percentiles_are_values_that_occurred(latencies_s: list[float]) -> None:
    found = summarise(latencies_s)
    assert found is not None
    in_ms = sorted(1000 * latency for latency in latencies_s)
    assert found.p50_ms in in_ms
    assert sum(value <= found.p99_ms for value in in_ms) >= 0.99 * len(in_ms)
    assert found.count == len(latencies_s)


# ---- reports ---------------------------------------------------------------------------------------------------


def report(*findings: Finding) -> RunReport:
    point = Point(2.0, "1-1", 21.0, 40.0, 900.0, 55.0, None if findings else 0.004)
    return RunReport(
        seed=7,
        hours=24,
        boards=1,
        virtual_s=86_400,
        wall_s=1.5,
        readings_expected=288,
        readings_skipped=0,
        firmware=FirmwareFacts("ab" * 32, 12_000, 700, "system"),
        verdict=Verdict(288, 288 - len(findings), 288 - len(findings), tuple(findings)),
        latency=Latency(2.0, 9.0, 288),
        devices=[DeviceLine(1, [point], [Truth(0.0, 21.2, 40.3, 899.0, 55.1)], [(3600.0, "watered")])],
    )


LOST = Finding(Kind.LOST, 1, Key(1, 50), "last seen on the wire")


def test_the_summary_has_the_promised_keys() -> None:
    found = summary(report(LOST))
    promised = ["taken", "stored", "delivered", "lost", "duplicated"]
    assert [found[f"readings_{name}"] for name in promised] == [288, 287, 287, 1, 0]
    assert (found["virtual_s"], found["wall_s"], found["seed"]) == (86_400, 1.5, 7)
    assert (found["firmware_flash_bytes"], found["firmware_ram_bytes"]) == (12_000, 700)
    assert found["firmware_sha256"] == "ab" * 32
    assert found["findings"] == [{"kind": "lost", "device_id": 1, "key": "1-50", "detail": "last seen on the wire"}]
    assert json.loads(json.dumps(found)) == found


def printed(run: RunReport) -> str:
    console = Console(record=True, width=100, file=None, force_terminal=False, quiet=False)
    with console.capture() as captured:
        console.print(render(run))
    return captured.get()


def test_the_table_names_what_was_lost() -> None:
    assert "conserved: every reading is accounted for" in printed(report())
    text = printed(report(LOST))
    assert "NOT conserved" in text
    assert "device 1 reading 1-50 lost: last seen on the wire" in text


def dropped_run() -> RunReport:
    """Two of 288 readings were given up by the board, and named."""
    run = report()
    drops = tuple(Drop(1, Key(2, n), "full", boot=2, number=n) for n in (1, 2))
    points = [*run.devices[0].points, Point(9.0, "2-1", 21.0, 40.0, 900.0, 55.0, None, "full")]
    device = replace(run.devices[0], points=points)
    return replace(run, verdict=replace(run.verdict, stored=286, delivered=286, dropped=drops), devices=[device])


def test_drops_that_the_board_named_are_shown_by_number_and_conserved() -> None:
    run = dropped_run()
    assert conclusion(run.verdict) == "conserved: every reading is accounted for; 2 dropped by the board itself, named"
    text = printed(run)
    assert conclusion(run.verdict) in text
    assert re.search(r"dropped by the board, named\W+2\W", text)
    found = summary(run)
    assert (found["conserved"], found["readings_dropped_by_board"], found["readings_lost"]) == (True, 2, 0)
    assert found["dropped_by_board"] == [{"device_id": 1, "key": f"2-{n}", "reason": "full", "boot": 2} for n in (1, 2)]
    page = html.render(run)
    assert "device 1 reading 2-1: full" in page
    assert "device 1: dropped by the board itself, named" in page
    assert "device 1: not delivered" not in page
    assert "device 1: not delivered" in html.render(report(LOST))


def test_a_finding_outweighs_named_drops() -> None:
    run = dropped_run()
    verdict = replace(run.verdict, findings=(LOST,))
    assert conclusion(verdict) == "NOT conserved: 1 finding(s)"


def test_many_findings_are_cut_and_counted() -> None:
    findings = [Finding(Kind.LOST, 1, Key(1, n), "x") for n in range(1, 31)]
    assert "and 10 more in report.json" in printed(report(*findings))


def test_the_page_stands_alone_and_escapes_what_it_shows() -> None:
    page = html.render(report(Finding(Kind.ALTERED, 1, Key(1, 2), "<script>")))
    assert "http://" not in page.partition("<body>")[0]
    assert 'src="http' not in page
    assert "&lt;script&gt;" in page
    assert "Plotly.newPlot" in page
    for title in ("temperature", "light, 0", "soil moisture", "latency"):
        assert title in page


@pytest.mark.parametrize(
    ("hours", "title"),
    [(24, "a virtual day"), (720, "30 virtual days"), (2, "2 hours"), (0.01, "0.01 hours")],
)
def test_a_page_is_called_by_what_it_shows(hours: float, title: str) -> None:
    assert title_of(hours) == title
    assert f"<h1>PlantKeeper: {title}</h1>" in html.render(replace(report(), hours=hours))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("power cut", "power cut"), ("dropped key=3-42 reason=full", "dropped"), ("no_w5500", "no_w5500")],
)
def test_events_have_a_line_by_their_kind(text: str, kind: str) -> None:
    assert what_happened(text) == kind
