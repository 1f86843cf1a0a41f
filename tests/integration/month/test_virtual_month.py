"""A hard month of a board, through the whole loop: outages, power cuts, a dead sensor; every reading accounted for."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from plantkeeper_hil.conservation import Kind, check
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.project import Project
from plantkeeper_hil.report import files
from plantkeeper_hil.report.model import conclusion
from plantkeeper_hil.run import story
from plantkeeper_hil.run.day import DayResult, run_day
from plantkeeper_hil.run.evidence import ledgers_of
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import crc16

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("month")]
DAYS, SEED = 30, 6
POWER_CUTS = 14
JOURNAL_AT, RECORD_BYTES = 344, 17


@pytest.fixture(scope="module")
def month(firmware: BuildResult, hil_project: Project, tmp_path_factory: pytest.TempPathFactory) -> DayResult:
    out: Path = hil_project.build_dir / "month"
    out.mkdir(parents=True, exist_ok=True)
    files.remove_stale(out, files.SUMMARY, files.PAGE)
    with LocalStack(StackOptions(log_dir=tmp_path_factory.mktemp("month"))) as stack:
        result = run_day(
            RunPlan(SEED, 24 * DAYS, 1),
            firmware,
            stack,
            story_of=lambda board: story.hard_month(board, stack, seed=SEED, days=DAYS),
        )
    files.write_summary(result.report, out)
    files.write_page(result.report, out)
    return result


@pytest.fixture(scope="module")
def board(month: DayResult) -> UnoBoard:
    [board] = month.evidence.boards
    assert isinstance(board, UnoBoard)
    return board


def within(board: UnoBoard, name: str, windows_h: list[tuple[float, float]], *, slack_h: float = 0.1) -> bool:
    hours = [event.cycles / board.mcu.clock_hz / 3600 for event in board.events_named(name)]
    return all(any(begin <= hour <= begin + length + slack_h for begin, length in windows_h) for hour in hours)


def test_every_reading_was_delivered_or_named_as_dropped(month: DayResult, board: UnoBoard) -> None:
    verdict = month.report.verdict
    assert list(map(str, verdict.findings)) == [], f"seed {SEED}"
    assert conclusion(verdict).startswith("conserved: ")
    assert [str(drop.key) for drop in verdict.dropped] == [e.fields["key"] for e in board.events_named("dropped")]
    assert {drop.reason for drop in verdict.dropped} == {"full"}
    assert 0 < len(verdict.dropped) < 60
    assert verdict.delivered == verdict.stored == verdict.taken - len(verdict.dropped)


def count_in_eeprom(board: UnoBoard) -> int:
    """The board's own count of readings that it gave up in its life, in its journal's newest record."""
    journal = board.mcu.eeprom[JOURNAL_AT:]
    records = [journal[at : at + RECORD_BYTES] for at in range(0, len(journal), RECORD_BYTES)]
    whole = [record for record in records if crc16(record[:14]) == int.from_bytes(record[14:16], "little")]
    newest = max(
        whole, key=lambda record: (int.from_bytes(record[:2], "little"), int.from_bytes(record[2:5], "little"))
    )
    return int.from_bytes(newest[11:14], "little") >> 7


def test_the_boards_count_that_outlives_power_cuts_agrees(month: DayResult, board: UnoBoard) -> None:
    assert count_in_eeprom(board) == len(month.report.verdict.dropped)


def test_without_one_of_the_boards_lines_the_month_is_not_conserved(month: DayResult) -> None:
    ledgers = ledgers_of(month.evidence)
    for unnamed in ledgers.dropped:
        silent = replace(ledgers, dropped=[drop for drop in ledgers.dropped if drop is not unnamed])
        found = check(silent, repeats_allowed=True)
        assert [finding.key for finding in found.of_kind(Kind.LOST)] == [unnamed.key]


def test_a_reading_was_taken_every_period_but_while_the_sensor_was_dead(month: DayResult, board: UnoBoard) -> None:
    dead_h, length_h = story.DEAD_SENSOR_H
    assert within(board, "sensor", [story.DEAD_SENSOR_H], slack_h=0)
    assert abs(len(board.events_named("sensor")) - length_h * 12) <= 4
    taken_h = [event.cycles / board.mcu.clock_hz / 3600 for event in board.events_named("taken")]
    gaps_h = [later - earlier for earlier, later in itertools.pairwise(taken_h) if not dead_h - 1 < earlier < dead_h]
    assert max(gaps_h) < 300.5 / 3600  # a power cut makes one shorter
    assert month.fewest_expected - length_h * 12 - 2 <= len(taken_h) <= month.most_expected + POWER_CUTS


def test_no_key_repeats_and_each_boot_counts_from_one(board: UnoBoard) -> None:
    keys = [tuple(map(int, event.fields["key"].split("-"))) for event in board.events_named("taken")]
    assert keys == sorted(set(keys))
    for _, of_boot in itertools.groupby(keys, key=lambda key: key[0]):
        assert [seq for _, seq in of_boot] == list(range(1, len([key for key in keys if key[0] == _]) + 1))
    boots = [(event.fields["boot"], event.fields["cause"]) for event in board.events_named("boot")]
    assert boots == [(str(n), "0x01") for n in range(1, POWER_CUTS + 2)]
    assert board.events_named("hang") == []


def test_attempts_failed_only_in_the_outages(board: UnoBoard) -> None:
    assert board.events_named("undelivered")
    assert within(board, "undelivered", [*story.NETWORK_OUTAGES_H, story.GATEWAY_OUTAGE_H])
    assert within(board, "dropped", [story.NETWORK_OUTAGES_H[1]])


def test_the_report_has_it_on_one_time_line(month: DayResult, hil_project: Project) -> None:
    [device] = month.report.devices
    texts = [text for _, text in device.events]
    assert texts.count("power cut") == POWER_CUTS
    assert texts.count("network down") == texts.count("network up") == 2
    page = (hil_project.build_dir / "month" / files.PAGE).read_text()
    assert f"{len(month.report.verdict.dropped)} dropped by the board itself, named" in page
    for text in ("power cut", "network down", "gateway stopped", "DHT11 dead", "DHT11 back"):
        assert text in page
