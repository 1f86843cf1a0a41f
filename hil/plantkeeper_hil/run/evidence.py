"""What is left after a run: the ledgers of all places, and the readings on their time line. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from plantkeeper_hil import ledgers
from plantkeeper_hil.conservation import Ledgers, Verdict, check
from plantkeeper_hil.ledgers import Post
from plantkeeper_hil.readings import Drop, Key, Record, Sensed
from plantkeeper_hil.report.model import DeviceLine, Point, Truth
from plantkeeper_hil.run.story import Incident
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.events import Event
from plantkeeper_sim.net import Exchange
from plantkeeper_sim.provision import BoardConfig

TRUTH_STEP_S = 300.0
ATTEMPT_S = 2.0  # longer than it takes to ask all sensors, shorter than the shortest period
NOTABLE_EVENTS = {"undelivered", "dropped", "sensor", "hang", "no_w5500", "noaddress"}

REFUSALS = {400, 413, 422}  # docs/architecture.md section 5: for good

Name = tuple[int, Key]


class Lived(Protocol):
    """What is known of a board after a run, whatever it was made of."""

    @property
    def config(self) -> BoardConfig:
        """How it was configured."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """What it said."""
        ...


@dataclass(frozen=True)
class Evidence:
    """Everything that the places recorded in a run.

    Args:
        sensed: what the sensors had, by reading; None where they cannot be asked.
    """

    boards: Sequence[Lived]
    posts: Sequence[Post]
    rows: Sequence[Mapping[str, Any]]
    journal: Sequence[Mapping[str, Any]]
    sensed: Mapping[Name, Sensed] | None


def gather(
    boards: Sequence[UnoBoard], rows: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]]
) -> Evidence:
    """Add what the boards' wires saw to what database and backend hold."""
    posts = [
        ledgers.parse_post(bytes(exchange.sent), bytes(exchange.received), exchange.sent_monotonic_s)
        for board in boards
        for exchange in board.network.exchanges
        if was_sent(exchange)
    ]
    return Evidence(boards, posts, rows, journal, sensed=_sensed(boards))


def was_sent(exchange: Exchange) -> bool:
    """Whether the board got as far as sending its request."""
    return bool(exchange.sent)


def ledgers_of(evidence: Evidence) -> Ledgers:
    """The ledgers for the conservation check."""
    taken: list[Record] = []
    dropped: list[Drop] = []
    for board in evidence.boards:
        device_id = board.config.device_id
        taken += [ledgers.taken_record(device_id, event.fields) for event in board.events if event.name == "taken"]
        dropped += ledgers.drops(device_id, board.events)
    return Ledgers(
        taken=taken,
        acknowledged=[post.record for post in evidence.posts if post.status == 200],
        stored=ledgers.stored_records(evidence.rows),
        delivered=ledgers.delivered_records(ledgers.delivered_entries(evidence.journal)),
        sensed=evidence.sensed,
        dropped=dropped,
        refused={(post.record.device_id, post.record.key) for post in evidence.posts if post.status in REFUSALS},
    )


def _sensed(boards: Iterable[UnoBoard]) -> dict[Name, Sensed]:
    sensed: dict[Name, Sensed] = {}
    for board in boards:
        for event in board.events_named("taken"):
            samples = board.sensed(event)
            sensed[(board.config.device_id, Key.parse(event.fields["key"]))] = Sensed(
                temperature_c=float("nan") if samples.temperature_c is None else float(samples.temperature_c),
                soil_adc=samples.soil_adc,
                light_counts=samples.light_counts,
            )
    return sensed


def judge(evidence: Evidence, *, repeats_allowed: bool = False) -> Verdict:
    """The conservation check on the evidence."""
    return check(ledgers_of(evidence), repeats_allowed=repeats_allowed)


def latencies_s(evidence: Evidence) -> dict[Name, float]:
    """Wall-clock time from POST to backend, by reading."""
    return ledgers.latencies_s(evidence.posts, ledgers.delivered_entries(evidence.journal))


def device_line(board: UnoBoard, latency_s: Mapping[Name, float], story: Sequence[Incident] = ()) -> DeviceLine:
    """A board's readings over virtual time, and the truth that they sampled."""
    device_id, clock_hz = board.config.device_id, board.mcu.clock_hz
    frames = board.dht11.history
    reasons = dropped_reasons(board)
    points = []
    for event in board.events_named("taken"):
        record = ledgers.taken_record(device_id, event.fields)
        frame = bisect_right(frames, event.cycles, key=lambda frame: frame.cycles) - 1
        points.append(
            Point(
                virtual_s=event.cycles / clock_hz,
                key=str(record.key),
                temperature_c=record.values.temperature,
                soil_percent=record.values.humidity,
                light=record.values.light,
                air_humidity_percent=frames[frame].humidity_percent if frame >= 0 else None,
                latency_s=latency_s.get((device_id, record.key)),
                dropped=reasons.get(record.key),
            )
        )
    steps = int(board.mcu.time_s // TRUTH_STEP_S) + 1
    truth = [_truth(board, step * TRUTH_STEP_S) for step in range(steps)]
    notable = notable_events(board, clock_hz)
    waterings = [(t_s, "watered") for t_s in board.plant.waterings_s(board.mcu.time_s)]
    incidents = [(incident.at_s, incident.text) for incident in story]
    return DeviceLine(device_id, points, truth, sorted([*notable, *waterings, *incidents]))


def dropped_reasons(board: Lived) -> dict[Key, str]:
    """Why the board gave up readings, by reading."""
    return {drop.key: drop.reason for drop in ledgers.drops(board.config.device_id, board.events)}


def notable_events(board: Lived, clock_hz: int) -> list[tuple[float, str]]:
    """What the board said of troubles, and when, in seconds of its clock."""
    return [
        (event.cycles / clock_hz, " ".join([event.name, *(f"{k}={v}" for k, v in event.fields.items())]))
        for event in board.events
        if event.name in NOTABLE_EVENTS
    ]


def skipped_readings(board: Lived, clock_hz: int) -> int:
    """Readings that the board did not take since a sensor failed: `!sensor` lines of one attempt come together."""
    cycles = [event.cycles for event in board.events if event.name == "sensor"]
    return count_bursts(cycles, apart=round(ATTEMPT_S * clock_hz))


def count_bursts(instants: Iterable[int], *, apart: int) -> int:
    """Number of groups of instants, in order, that lie more than `apart` after the one before."""
    bursts, previous = 0, None
    for instant in instants:
        if previous is None or instant - previous > apart:
            bursts += 1
        previous = instant
    return bursts


def _truth(board: UnoBoard, t_s: float) -> Truth:
    plant = board.plant
    return Truth(
        t_s,
        plant.temperature_c(t_s),
        plant.soil_moisture_percent(t_s),
        plant.light(t_s),
        plant.air_humidity_percent(t_s),
    )
