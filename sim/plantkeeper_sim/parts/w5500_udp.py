"""UDP mode of a W5500 socket: what goes out, what of the network's datagrams comes in, and with which head.

Ref: WIZnet W5500 data sheet v1.1.0, section 4.2 (Sn_MR, Sn_CR SEND, Sn_IR, Sn_DIPR); in UDP mode each datagram in the
receive buffer begins with its sender's address (4 bytes), its sender's port (2) and the length of its data (2).
Modelled: unicast within the subnet, with ARP, and broadcast. Multicasting and its filters, and datagrams to other
subnets, raise PartError.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Protocol

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.lan import BROADCAST, Datagram, Lan

HEAD_BYTES = 8
LONGEST = 1472  # an Ethernet frame's 1500 bytes without the heads of IP and UDP


class Chip(Protocol):
    """What UDP needs of its chip."""

    link_up: bool

    @property
    def lan(self) -> Lan:
        """The network that it hangs on."""

    @property
    def own_address(self) -> IPv4Address:
        """SIPR."""

    def is_local(self, address: IPv4Address) -> bool:
        """On the same subnet."""


class UdpPort:
    """An open UDP socket.

    Args:
        chip: whose socket it is.
        port: its own.
        receive: takes a datagram with its head, or drops it where there is no room.
    """

    def __init__(self, chip: Chip, port: int, receive: Callable[[bytes], None]) -> None:
        self._chip, self._port, self._receive = chip, port, receive
        chip.lan.bind(port, self._hear)

    def close(self) -> None:
        """Hear no more."""
        self._chip.lan.unbind(self._port)

    def send(self, address: IPv4Address, port: int, data: bytes) -> bool:
        """Send a datagram; False where nobody answers ARP for its address.

        Raises:
            PartError: the chip would do what is not modelled.
        """
        if len(data) > LONGEST:
            raise PartError(f"W5500: SEND of {len(data)} bytes over UDP; more than {LONGEST} in one are not modelled")
        if address.is_multicast or (address != BROADCAST and not self._chip.is_local(address)):
            raise PartError(f"W5500: SEND over UDP to {address}, which is on no subnet of the chip, is not modelled")
        if not self._chip.link_up:
            return address == BROADCAST  # a broadcast needs no ARP: it goes nowhere, and the chip does not know
        if address != BROADCAST and not self._chip.lan.has(address):
            return False
        self._chip.lan.send(Datagram(self._chip.own_address, self._port, address, port, data))
        return True

    def _hear(self, datagram: Datagram) -> None:
        if not self._chip.link_up or datagram.destination not in {BROADCAST, self._chip.own_address}:
            return
        numbers = datagram.source_port, len(datagram.payload)
        head = datagram.source.packed + b"".join(number.to_bytes(2, "big") for number in numbers)
        self._receive(head + datagram.payload)
