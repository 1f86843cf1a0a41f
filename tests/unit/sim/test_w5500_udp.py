"""The W5500's UDP mode on its SPI wires: heads, broadcasts, ARP, a full buffer, a link that is down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from w5500_spi import SpiHost

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.lan import BROADCAST, Datagram, Lan
from plantkeeper_sim.net import Network
from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.testing import LooseWire, ManualClock

COMMON, REGISTERS, TX, RX = 0, 5, 6, 7  # socket 1
OPEN, CLOSE, SEND, RECV = 0x01, 0x10, 0x20, 0x40
CLOSED, SOCK_UDP = 0x00, 0x22
SEND_OK, TIMEOUT, RECEIVED = 0x10, 0x08, 0x04
OWN, PEER = IPv4Address("192.0.2.20"), IPv4Address("192.0.2.1")


@dataclass
class Listener:
    """A host that hears."""

    address: IPv4Address = PEER
    heard: list[Datagram] = field(default_factory=list)

    def receive(self, datagram: Datagram) -> None:
        """One came."""
        self.heard.append(datagram)


class Driver(SpiHost):
    """The host's side of the SPI bus, with a peer on the network."""

    def __init__(self, clock: ManualClock, wire: LooseWire, *, seed: int = 1) -> None:
        self.clock = clock
        network = Network(clock)
        self.lan: Lan = network.lan
        self.peer = Listener()
        self.lan.attach(self.peer)
        super().__init__(W5500(clock, wire, network, random=Random(seed)), wire, REGISTERS)
        self.write(COMMON, 0x0005, bytes([255, 255, 255, 0]))
        self.write(COMMON, 0x000F, OWN.packed)
        self.write(COMMON, 0x0019, b"\x03\xe8\x03")  # 100 ms, 3 retries

    def open(self, port: int = 68) -> None:
        self.write(REGISTERS, 0x00, b"\x02")
        self.write(REGISTERS, 0x04, port.to_bytes(2, "big"))
        self.command(OPEN)

    def send(self, data: bytes, to: IPv4Address = PEER, port: int = 67) -> None:
        self.write(REGISTERS, 0x0C, to.packed + port.to_bytes(2, "big"))
        at = self.word(0x24)
        self.write(TX, at, data)
        self.write(REGISTERS, 0x24, (at + len(data) & 0xFFFF).to_bytes(2, "big"))
        self.command(SEND)

    def receive(self) -> bytes:
        """All that waits."""
        length, at = self.word(0x26), self.word(0x28)
        data = self.read(RX, at, length)
        self.write(REGISTERS, 0x28, (at + length & 0xFFFF).to_bytes(2, "big"))
        self.command(RECV)
        return data

    def arrive(self, data: bytes, to: IPv4Address = OWN, port: int = 68) -> None:
        self.lan.answer(Datagram(PEER, 67, to, port, data))
        self.clock.advance(0.01)


@pytest.fixture
def driver(clock: ManualClock, new_wire: Callable[[], LooseWire]) -> Driver:
    attached = Driver(clock, new_wire())
    attached.open()
    return attached


def test_it_opens_and_closes(driver: Driver) -> None:
    assert driver.state == SOCK_UDP
    driver.command(CLOSE)
    assert driver.state == CLOSED
    driver.arrive(b"late")
    assert driver.word(0x26) == 0


@pytest.mark.parametrize("to", [PEER, BROADCAST])
def test_a_datagram_reaches_whom_it_is_for(driver: Driver, to: IPv4Address) -> None:
    driver.send(b"question", to)
    assert driver.interrupts == SEND_OK
    assert driver.word(0x20) == 2048
    driver.clock.advance(0.01)
    assert driver.peer.heard == [Datagram(OWN, 68, to, 67, b"question")]


@given(payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_what_comes_has_a_head_of_address_port_and_length(payloads: list[bytes], seed: int) -> None:
    """Wherever the rings start: five datagrams of 408 bytes are all that 2048 bytes hold."""
    clock = ManualClock()
    driver = Driver(clock, LooseWire(clock), seed=seed)
    driver.open()
    for payload in payloads:
        driver.arrive(payload)
    heads = [PEER.packed + b"\x00\x43" + len(payload).to_bytes(2, "big") for payload in payloads]
    assert driver.interrupts == RECEIVED
    assert driver.receive() == b"".join(head + payload for head, payload in zip(heads, payloads, strict=True))


@pytest.mark.parametrize(("to", "port"), [(OWN + 1, 68), (OWN, 69)])
def test_what_is_for_others_is_not_heard(driver: Driver, to: IPv4Address, port: int) -> None:
    driver.arrive(b"x", to, port)
    assert driver.word(0x26) == 0


def test_broadcasts_are_heard_also_without_an_address(driver: Driver) -> None:
    driver.write(COMMON, 0x000F, bytes(4))
    driver.arrive(b"x", BROADCAST)
    driver.arrive(b"y", OWN)
    assert driver.receive()[8:] == b"x"


def test_a_datagram_that_does_not_fit_is_dropped_whole(driver: Driver) -> None:
    driver.arrive(bytes(1400))
    driver.arrive(bytes(641))
    driver.arrive(bytes(632))
    assert driver.word(0x26) == 1408 + 640
    driver.receive()
    driver.arrive(b"room again")
    assert driver.receive()[8:] == b"room again"


def test_nobody_at_an_address_times_out_as_arp_does_and_the_socket_stays_open(driver: Driver) -> None:
    driver.send(b"x", PEER + 1)
    driver.clock.advance(0.399)
    assert driver.interrupts == 0
    driver.clock.advance(0.002)
    assert (driver.interrupts, driver.state) == (TIMEOUT, SOCK_UDP)
    assert driver.word(0x20) == 2048
    driver.send(b"y")
    driver.clock.advance(0.01)
    assert [datagram.payload for datagram in driver.peer.heard] == [b"y"]


def test_without_a_link_nothing_goes_and_nothing_comes(driver: Driver) -> None:
    driver.chip.link_up = False
    driver.send(b"x", BROADCAST)
    assert driver.interrupts == SEND_OK
    driver.arrive(b"y")
    driver.chip.link_up = True
    driver.clock.advance(0.01)
    assert driver.peer.heard == []
    assert driver.word(0x26) == 0


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda d: d.send(b"x", IPv4Address("198.51.100.1")), "198.51.100.1"),
        (lambda d: d.send(b"x", IPv4Address("224.0.0.1")), "224.0.0.1"),
        (lambda d: d.send(bytes(1473)), "1473 bytes"),
        (lambda d: (d.write(REGISTERS, 0x00, b"\x82"), d.command(OPEN)), "Sn_MR 0x82"),
    ],
)
def test_what_is_not_modelled_is_named(driver: Driver, act: Callable[[Driver], None], named: str) -> None:
    with pytest.raises(PartError) as error:
        act(driver)
    assert named in str(error.value)
