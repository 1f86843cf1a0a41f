"""A run of a real board, or of one that looks like it or is played: some readings, from reset to verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plantkeeper_hil import ledgers
from plantkeeper_hil.board.base import Board, Reset
from plantkeeper_hil.latency import summarise
from plantkeeper_hil.ledgers import Post
from plantkeeper_hil.readings import Key, Record
from plantkeeper_hil.report.model import DeviceLine, FirmwareFacts, Point, RunReport
from plantkeeper_hil.run.day import DayResult, wait_delivered
from plantkeeper_hil.run.evidence import (
    Evidence,
    Name,
    dropped_reasons,
    judge,
    latencies_s,
    notable_events,
    skipped_readings,
)
from plantkeeper_hil.run.plan import RunPlan
from plantkeeper_hil.stack.base import Stack
from plantkeeper_hil.traffic.http import messages
from plantkeeper_hil.traffic.relay import Relay
from plantkeeper_sim.events import Event
from plantkeeper_sim.provision import BoardConfig

CLOCK_HZ = 16_000_000  # the unit of a board's events
SECONDS_PER_HOUR = 3600
PERIOD_S = 4
SETTLE_S = 30.0  # three attempts of 2 s with growing pauses, and some


@dataclass(frozen=True)
class LivedBoard:
    """A real board after a run."""

    config: BoardConfig
    events: Sequence[Event]


def store_settings(board: Board, settings: Mapping[str, object]) -> None:
    """Let a board run with other settings, by header of docs/console.md, such as `CONF:INT`."""
    for header, value in settings.items():
        board.scpi(f"{header} {value}")
    board.scpi("CONF:SAVE")
    board.reset(Reset.WATCHDOG)


def run_real(
    board: Board,
    firmware: FirmwareFacts,
    stack: Stack,
    relay: Relay,
    *,
    readings: int,
    seed: int,
    progress: Callable[[float], None] = lambda _s: None,
) -> DayResult:
    """Let a board that is set up (`store_settings`) take readings, one every 4 s, and account for each.

    Args:
        firmware: what it runs.
        relay: over which it posts to the stack. Of a board that posts past it, its own words count.
        readings: how many, from a reset on.
        progress: called with seconds as they go by.

    Raises:
        BoardError: the board did not do what it should.
        StackError: a process of the stack died, or readings still waited for the backend after 60 s.
    """
    device_id = board.identity.device_id
    rows_before, journal_before = stack.database.readings(), stack.backend.journal()
    connections_before = len(relay.connections())
    started_s = time.monotonic()
    boot = int(board.reset(Reset.WATCHDOG).fields["boot"])
    for _ in range(readings):
        taken = board.expect(rf"^!(?:taken key=({boot}-\d+) |sensor )", timeout_s=PERIOD_S * 3)
        if taken[1]:
            board.expect(rf"^!(delivered|dropped) key={taken[1]} ", timeout_s=SETTLE_S)
        progress(PERIOD_S)
    wall_s = time.monotonic() - started_s
    events = _of_boot(board.events(), boot)
    last = max((Key.parse(event.fields["key"]) for event in events if event.name == "taken"), default=Key(boot, 0))
    wait_delivered(stack)
    rows = stack.database.readings(after=rows_before[-1]["id"] if rows_before else 0)
    journal = stack.backend.journal(after=journal_before[-1]["n"] if journal_before else 0)
    lived = LivedBoard(BoardConfig(device_id, period_s=PERIOD_S), events)
    posts = [
        ledgers.parse_post(connection.sent, connection.received, connection.sent_monotonic_s)
        for connection in relay.connections(after=connections_before)
        if any(request.whole for request in messages(connection.sent))
    ] or _posts(lived)
    posts = [post for post in posts if _counts(str(post.record.key), last)]
    evidence = Evidence([lived], posts, _counted(rows, last), _counted(journal, last), sensed=None)
    plan = RunPlan(seed, wall_s / SECONDS_PER_HOUR, 1)
    latency_s = latencies_s(evidence)
    report = RunReport(
        seed=seed,
        hours=plan.hours,
        boards=1,
        virtual_s=wall_s,
        wall_s=wall_s,
        readings_expected=readings,
        readings_skipped=skipped_readings(lived, CLOCK_HZ),
        firmware=firmware,
        verdict=judge(evidence),
        latency=summarise(list(latency_s.values())),
        devices=[_line(lived, latency_s)],
    )
    return DayResult(plan, evidence, report, readings, readings)


def _of_boot(events: Sequence[Event], boot: int) -> list[Event]:
    """The events from that start on."""
    start = max(n for n, event in enumerate(events) if event.name == "boot" and event.fields["boot"] == str(boot))
    return list(events[start:])


def _counted(records: Iterable[Mapping[str, Any]], last: Key) -> list[Mapping[str, Any]]:
    """Records of readings from this start on, up to the last one that counts; and all that no board can have sent."""
    return [record for record in records if _counts(record["idempotency_key"], last)]


def _counts(key: str | None, last: Key) -> bool:
    try:
        parsed = Key.parse(key or "")
    except ValueError:
        return True
    # earlier starts left readings in the journal, which the board delivers first
    return parsed.boot > last.boot or (parsed.boot == last.boot and parsed.seq <= last.seq)


def _posts(board: LivedBoard) -> list[Post]:
    """What the board says of its POSTs: their bytes went over a wire that nobody listened at."""
    device_id = board.config.device_id
    taken: dict[str, tuple[Record, float]] = {}
    posts = []
    for event in board.events:
        if event.name == "taken":
            record = ledgers.taken_record(device_id, event.fields)
            taken[event.fields["key"]] = (record, event.cycles / CLOCK_HZ)
        elif event.name in {"delivered", "undelivered", "dropped"} and event.fields["key"] in taken:
            record, taken_s = taken[event.fields["key"]]
            posts.append(Post(record, int(event.fields["status"]) or None, taken_s))
    return posts


def _line(board: LivedBoard, latency_s: Mapping[Name, float]) -> DeviceLine:
    device_id, start_s = board.config.device_id, board.events[0].cycles / CLOCK_HZ
    reasons, points = dropped_reasons(board), []
    for event in board.events:
        if event.name == "taken":
            record = ledgers.taken_record(device_id, event.fields)
            points.append(
                Point(
                    virtual_s=event.cycles / CLOCK_HZ - start_s,
                    key=str(record.key),
                    temperature_c=record.values.temperature,
                    soil_percent=record.values.humidity,
                    light=record.values.light,
                    air_humidity_percent=None,
                    latency_s=latency_s.get((device_id, record.key)),
                    dropped=reasons.get(record.key),
                )
            )
    notable = [(t_s - start_s, said) for t_s, said in notable_events(board, CLOCK_HZ)]
    return DeviceLine(device_id, points, [], notable)
