"""Datagrams on the board's own network: UDP between the chip and hosts that live in virtual time.

A host is a service with an address, such as `plantkeeper_sim.dhcp_server`. Nothing here reaches the machine's network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from plantkeeper_sim.wires import Clock

BROADCAST = IPv4Address("255.255.255.255")
LATENCY_S = 0.001


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram."""

    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    payload: bytes


class Host(Protocol):
    """A host on the network; it answers ARP for its address as long as it is attached."""

    @property
    def address(self) -> IPv4Address:
        """Its address."""

    def receive(self, datagram: Datagram) -> None:
        """A datagram for it, or for all, came."""


class Lan:
    """One segment, on which the chip and hosts hear one another.

    Args:
        clock: virtual time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hosts: list[Host] = []
        self._chip: dict[int, Callable[[Datagram], None]] = {}
        self.history: list[tuple[int, Datagram]] = []  # all that was sent, with cycles

    def attach(self, host: Host) -> None:
        """Put a host on the network."""
        self._hosts.append(host)

    def detach(self, host: Host) -> None:
        """Take it off."""
        self._hosts.remove(host)

    def has(self, address: IPv4Address) -> bool:
        """Whether somebody answers ARP for an address."""
        return any(host.address == address for host in self._hosts)

    def bind(self, port: int, receive: Callable[[Datagram], None]) -> None:
        """Let the chip hear what comes for a port."""
        self._chip[port] = receive

    def unbind(self, port: int) -> None:
        """The chip is deaf for a port."""
        self._chip.pop(port, None)

    def send(self, datagram: Datagram) -> None:
        """From the chip to whom it is for."""
        self.history.append((self._clock.cycles, datagram))

        def arrive() -> None:
            for host in list(self._hosts):
                if datagram.destination in {BROADCAST, host.address}:
                    host.receive(datagram)

        self._clock.call_in(LATENCY_S, arrive)

    def answer(self, datagram: Datagram, *, after_s: float = 0.0) -> None:
        """From a host to the chip, which takes it if it listens and has that address."""

        def arrive() -> None:
            receive = self._chip.get(datagram.destination_port)
            if receive is not None:
                receive(datagram)

        self.history.append((self._clock.cycles, datagram))
        self._clock.call_in(LATENCY_S + after_s, arrive)
