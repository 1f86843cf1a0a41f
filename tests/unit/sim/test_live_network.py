"""A live network: virtual time goes on while a peer owes an answer, and what comes is handed over as it comes."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from plantkeeper_sim.net import Connection, Network
from plantkeeper_sim.testing import ManualClock, Peer

ADDRESS = IPv4Address("192.0.2.10")


class Chip:
    """An endpoint that writes down what it hears, and reads at once."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.data = b""
        self.connection: Connection | None = None

    def connected(self) -> None:
        self.heard.append("connected")

    def refused(self) -> None:
        self.heard.append("refused")

    def acknowledged(self) -> None:
        self.heard.append("acknowledged")

    def received(self) -> None:
        assert self.connection is not None
        self.data += self.connection.read(4096)

    def finished(self) -> None:
        self.heard.append("finished")

    def reset(self) -> None:
        self.heard.append("reset")


@pytest.fixture
def chip(clock: ManualClock) -> Iterator[tuple[Chip, Peer]]:
    """Connected, its request sent."""
    network, chip = Network(clock, live=True), Chip()
    with Peer() as peer:
        network.map(str(ADDRESS), 8080, to=("127.0.0.1", peer.port))
        chip.connection = network.connect(ADDRESS, 8080, chip, source=IPv4Address("192.0.2.20"))
        assert chip.connection is not None
        chip.connection.send(b"POST")
        clock.advance(0.01)
        yield chip, peer
        network.close()


def arrive(chip: Chip) -> None:
    """Wait until the host's socket has something."""
    assert chip.connection is not None
    host = chip.connection._socket
    assert host is not None
    assert select.select([host], [], [], 5)[0]


def test_time_goes_on_while_the_peer_is_silent(chip: tuple[Chip, Peer], clock: ManualClock) -> None:
    began_s = time.monotonic()
    clock.advance(60.0)
    assert time.monotonic() - began_s < 8, "it waited for the peer"
    assert (chip[0].heard, chip[0].data) == (["connected", "acknowledged"], b"")


def test_pieces_come_as_they_come_and_then_the_end(chip: tuple[Chip, Peer], clock: ManualClock) -> None:
    connection = chip[1].accept()
    assert connection.recv(16) == b"POST"
    for piece in (b"HTTP/1.1 200 ", b"OK"):
        connection.sendall(piece)
        arrive(chip[0])
        clock.advance(0.005)
        assert chip[0].data.endswith(piece)
        clock.advance(1.0)
    connection.close()
    arrive(chip[0])
    clock.advance(0.005)
    assert (chip[0].heard[-1], chip[0].data) == ("finished", b"HTTP/1.1 200 OK")
