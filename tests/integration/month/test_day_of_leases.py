"""A day of boards that lease their addresses and power down between readings, through the whole loop."""

from __future__ import annotations

import pytest

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.report.model import conclusion
from plantkeeper_hil.run import story
from plantkeeper_hil.run.day import DayResult, run_day
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.dhcp_server import POOL

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("month")]
SEED, BOARDS = 11, 2


@pytest.fixture(scope="module")
def day(firmware: BuildResult, tmp_path_factory: pytest.TempPathFactory) -> DayResult:
    with LocalStack(StackOptions(log_dir=tmp_path_factory.mktemp("leases"), devices=BOARDS)) as stack:
        plan = RunPlan(SEED, 24, BOARDS, leased=True, deep_sleep=True)
        return run_day(plan, firmware, stack, story_of=story.day_of_leases)


@pytest.fixture(scope="module")
def boards(day: DayResult) -> list[UnoBoard]:
    return [board for board in day.evidence.boards if isinstance(board, UnoBoard)]


def test_every_reading_was_stored_and_delivered_once(day: DayResult) -> None:
    verdict = day.report.verdict
    assert list(map(str, verdict.findings)) == [], f"seed {SEED}"
    assert conclusion(verdict).startswith("conserved: ")
    assert verdict.taken == verdict.stored == verdict.delivered
    assert day.fewest_expected <= verdict.taken <= day.most_expected + BOARDS  # one more after the power cut


def test_the_silence_cost_the_lease_and_the_refusal_the_address(boards: list[UnoBoard]) -> None:
    for board in boards:
        assert [event.fields["reason"] for event in board.events_named("noaddress")] == ["expired", "refused"]
        # posts left from leased addresses only, and from the new ones once the old were refused
        used = list(dict.fromkeys(exchange.source for exchange in board.network.exchanges))
        assert used == [POOL[0], POOL[10]]


def test_readings_waited_for_an_address_no_longer_than_for_the_server(boards: list[UnoBoard]) -> None:
    begin_h, length_h = story.SILENCE_H
    for board in boards:
        failed_h = [event.cycles / board.mcu.clock_hz / 3600 for event in board.events_named("undelivered")]
        for hour in failed_h:
            assert (
                hour < 0.1
                or begin_h <= hour <= begin_h + length_h + 0.1
                or 0 <= hour - story.OTHER_ADDRESSES_H < story.LEASE_S / 3600
                or 0 <= hour - story.POWER_CUT_H < 0.1
            )


def test_they_slept_deep_for_most_of_the_day(boards: list[UnoBoard]) -> None:
    for board in boards:
        assert 0.6 < board.mcu.powered_down_cycles / board.mcu.cycles < 0.96
        assert len(board.events_named("boot")) == 2
        assert board.events_named("hang") == []
