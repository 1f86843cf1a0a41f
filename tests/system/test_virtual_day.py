"""The law of the whole loop, on a virtual day: what the board took is stored once and delivered once, unaltered."""

import pytest

from plantkeeper_hil.conservation import Kind
from plantkeeper_hil.run.day import DayResult

pytestmark = pytest.mark.system


def named(result: DayResult, kind: Kind) -> str:
    findings = "\n".join(map(str, result.report.verdict.of_kind(kind)))
    return f"seed {result.plan.seed}:\n{findings}" if findings else ""


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_no_reading_is(kind: Kind, virtual_day: DayResult) -> None:
    assert named(virtual_day, kind) == ""


def test_the_board_took_a_reading_every_period(virtual_day: DayResult) -> None:
    report = virtual_day.report
    taken = report.verdict.taken + report.readings_skipped
    assert virtual_day.fewest_expected <= taken <= virtual_day.most_expected, f"seed {report.seed}"


def test_stored_and_delivered_are_what_was_taken(virtual_day: DayResult) -> None:
    verdict = virtual_day.report.verdict
    assert (verdict.stored, verdict.delivered) == (verdict.taken, verdict.taken), f"seed {virtual_day.plan.seed}"


def test_the_backend_saw_no_repeat_and_no_step_back(virtual_day: DayResult) -> None:
    suspicious = [e for e in virtual_day.evidence.journal if e["duplicate"] or e["reordered"] or e["status"] != 200]
    assert suspicious == []


def test_the_stack_never_faltered(virtual_day: DayResult) -> None:
    for board in virtual_day.evidence.boards:
        said = [e.name for e in board.events if e.name not in {"boot", "taken", "delivered"}]
        assert said == [], f"device {board.config.device_id}, seed {virtual_day.plan.seed}"


def test_every_post_was_answered_in_one_attempt(virtual_day: DayResult) -> None:
    posts = virtual_day.evidence.posts
    assert [post.status for post in posts] == [200] * virtual_day.report.verdict.taken
