"""A run from power-on to verdict, against a stack that is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.latency import summarise
from plantkeeper_hil.report.model import FirmwareFacts, RunReport
from plantkeeper_hil.run.boards import live_together
from plantkeeper_hil.run.evidence import Evidence, device_line, gather, judge, latencies_s, skipped_readings
from plantkeeper_hil.run.plan import RunPlan, readings_expected
from plantkeeper_hil.run.story import Incident, schedule
from plantkeeper_hil.stack.base import Stack
from plantkeeper_sim.avr import load_elf
from plantkeeper_sim.board import UnoBoard

DRAIN_TIMEOUT_S = 60.0
POLL_S = 0.02


@dataclass(frozen=True)
class DayResult:
    """A finished run."""

    plan: RunPlan
    evidence: Evidence
    report: RunReport
    fewest_expected: int
    most_expected: int


def run_day(
    plan: RunPlan,
    firmware: BuildResult,
    stack: Stack,
    *,
    progress: Callable[[float], None] = lambda _s: None,
    story_of: Callable[[UnoBoard], Sequence[Incident]] | None = None,
) -> DayResult:
    """Boot the boards, let them live, and account for every reading.

    Args:
        progress: called with virtual seconds as they go by, summed over all boards.
        story_of: what happens to a board; repeated deliveries are in order then. None: nothing does.

    Raises:
        BoardRunError: a board failed.
        StackError: a process of the stack died, or readings still waited for the backend after 60 s.
    """
    wait_delivered(stack)  # what somebody else posted before must not be counted as this run's
    rows_before = stack.database.readings()
    journal_before = stack.backend.journal()
    image = load_elf(firmware.elf)
    boards = [UnoBoard(image, plan.config(device_id), seed=plan.seed) for device_id in plan.device_ids]
    for board in boards:
        board.network.map(str(board.config.gateway), board.config.gateway_port, to=("127.0.0.1", stack.gateway_port))
    stories = [(board, story_of(board) if story_of else ()) for board in boards]
    for board, story in stories:
        schedule(board, story)
    started_s = time.monotonic()
    live_together(boards, plan.virtual_s, progress=progress)
    wait_delivered(stack)
    wall_s = time.monotonic() - started_s
    evidence = gather(
        boards,
        stack.database.readings(after=rows_before[-1]["id"] if rows_before else 0),
        stack.backend.journal(after=journal_before[-1]["n"] if journal_before else 0),
    )
    return _result(plan, firmware, evidence, stories, wall_s)


def wait_delivered(stack: Stack, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
    """Wait until no stored reading waits for the backend any more.

    Raises:
        StackError: some still do; says how many.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        stack.check_alive()  # first, since it shows the log of what died
        waiting = stack.database.waiting()
        if waiting == 0:
            return
        if time.monotonic() > deadline_s:
            raise StackError(
                f"{waiting} stored readings still wait for the backend after {timeout_s:g} s; see the forwarder's log "
                f"in {stack.log_dir}"
            )
        time.sleep(POLL_S)


def _result(
    plan: RunPlan,
    firmware: BuildResult,
    evidence: Evidence,
    stories: Sequence[tuple[UnoBoard, Sequence[Incident]]],
    wall_s: float,
) -> DayResult:
    boards = [board for board, _ in stories]
    latency_s = latencies_s(evidence)
    ranges = [readings_expected(plan.virtual_s, board.config.period_s) for board in boards]
    report = RunReport(
        seed=plan.seed,
        hours=plan.hours,
        boards=plan.boards,
        virtual_s=plan.virtual_s,
        wall_s=wall_s,
        readings_expected=sum(fewest for fewest, _ in ranges),
        readings_skipped=sum(skipped_readings(board, board.mcu.clock_hz) for board in boards),
        firmware=firmware_facts(firmware),
        verdict=judge(evidence, repeats_allowed=any(story for _, story in stories)),
        latency=summarise(list(latency_s.values())),
        devices=[device_line(board, latency_s, story) for board, story in stories],
    )
    return DayResult(plan, evidence, report, sum(f for f, _ in ranges), sum(m for _, m in ranges))


def firmware_facts(firmware: BuildResult) -> FirmwareFacts:
    """What a report says of the firmware."""
    return FirmwareFacts(
        sha256=firmware.sha256,
        flash_bytes=firmware.flash_bytes,
        ram_bytes=firmware.ram_bytes,
        built_with=firmware.toolchain.value,
    )
