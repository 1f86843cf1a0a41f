"""What happens to a board while it lives: outages, power cuts, a sensor that dies. Seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from plantkeeper_hil.stack.local import LocalStack
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.dhcp_server import POOL
from plantkeeper_sim.parts.dht11 import Dht11Fault

HOUR_S, DAY_S = 3600.0, 86_400.0
# The second network outage is longer than the journal lasts at 300 s a reading (docs/firmware.md).
NETWORK_OUTAGES_H = ((4 * 24 + 7.0, 2.0), (17 * 24 + 14.0, 5.0))
GATEWAY_OUTAGE_H = (10 * 24 + 12.0, 1.5)
DEAD_SENSOR_H = (20 * 24 + 5.0, 48.0)
DAYS_BETWEEN_POWER_CUTS = 2
# A day of leases: the server is silent for longer than one lasts, and not for longer than the journal.
LEASE_S, SILENCE_H, OTHER_ADDRESSES_H, POWER_CUT_H = 5400, (5.0, 3.0), 13.0, 18.5


@dataclass(frozen=True)
class Incident:
    """Something that happens at a moment of the board's time.

    Args:
        at_s: virtual seconds since the board's first power-on.
        text: what the report calls it.
    """

    at_s: float
    text: str
    act: Callable[[], None]


def day_of_leases(board: UnoBoard) -> list[Incident]:
    """A DHCP server that falls silent for longer than its leases last, then gives out other addresses; a power cut."""
    server, random = board.dhcp_server, Random(f"{board.seed}/leases/{board.config.device_id}")
    server.lease_s = LEASE_S

    def silent(*, so: bool) -> Callable[[], None]:
        return lambda: setattr(server, "silent", so)

    begin_h, length_h = SILENCE_H
    return [
        Incident(begin_h * HOUR_S, "DHCP server silent", silent(so=True)),
        Incident((begin_h + length_h) * HOUR_S, "DHCP server answers", silent(so=False)),
        Incident(OTHER_ADDRESSES_H * HOUR_S, "other addresses", lambda: setattr(server, "pool", POOL[10:])),
        Incident(POWER_CUT_H * HOUR_S, "power cut", lambda: board.cut_power(random)),
    ]


def hard_month(board: UnoBoard, stack: LocalStack, *, seed: int, days: int = 30) -> list[Incident]:
    """Two network outages, a gateway outage, a power cut every two days, a sensor that dies and returns.

    Args:
        seed: of the power cuts' moments.
        days: incidents that begin later are left out.
    """
    random = Random(f"{seed}/story/{board.config.device_id}")
    network, sensor = board.w5500, board.dht11

    def link(*, up: bool) -> Callable[[], None]:
        return lambda: setattr(network, "link_up", up)

    def sensor_fault(fault: Dht11Fault) -> Callable[[], None]:
        return lambda: setattr(sensor, "fault", fault)

    story: list[Incident] = []
    for begin_h, length_h in NETWORK_OUTAGES_H:
        story.append(Incident(begin_h * HOUR_S, "network down", link(up=False)))
        story.append(Incident((begin_h + length_h) * HOUR_S, "network up", link(up=True)))
    begin_h, length_h = GATEWAY_OUTAGE_H
    story.append(Incident(begin_h * HOUR_S, "gateway stopped", stack.stop_gateway))
    story.append(Incident((begin_h + length_h) * HOUR_S, "gateway started", stack.start_gateway))
    begin_h, length_h = DEAD_SENSOR_H
    story.append(Incident(begin_h * HOUR_S, "DHT11 dead", sensor_fault(Dht11Fault.SILENT)))
    story.append(Incident((begin_h + length_h) * HOUR_S, "DHT11 back", sensor_fault(Dht11Fault.NONE)))
    for day in range(DAYS_BETWEEN_POWER_CUTS, days, DAYS_BETWEEN_POWER_CUTS):
        at_s = day * DAY_S + random.uniform(0, DAY_S)
        story.append(Incident(at_s, "power cut", lambda: board.cut_power(random)))
    return sorted((i for i in story if i.at_s < days * DAY_S), key=lambda incident: incident.at_s)


def schedule(board: UnoBoard, story: Sequence[Incident]) -> None:
    """Let it happen when the board gets there."""
    for incident in story:
        board.mcu.call_at(round(incident.at_s * board.mcu.clock_hz), incident.act)
