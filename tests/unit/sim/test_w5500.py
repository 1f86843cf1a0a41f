"""The W5500 on its SPI wires: frames, registers, the TCP client's states, rings that wrap, timeouts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from w5500_spi import SpiHost

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.net import Fault, Network
from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.parts.w5500_socket import arp_timeout_s, tcp_timeout_s
from plantkeeper_sim.testing import LooseWire, ManualClock, Peer

COMMON, REGISTERS, TX, RX = 0, 1, 2, 3
OPEN, CONNECT, DISCON, CLOSE, SEND, RECV = 0x01, 0x04, 0x08, 0x10, 0x20, 0x40
CLOSED, INIT, SYNSENT, ESTABLISHED, FIN_WAIT, CLOSE_WAIT = 0x00, 0x13, 0x15, 0x17, 0x18, 0x1C
SEND_OK, TIMEOUT, RECEIVED, DISCONNECTED, CONNECTED = 0x10, 0x08, 0x04, 0x02, 0x01


class Driver(SpiHost):
    """The host's side of the SPI bus, with a network behind the chip."""

    def __init__(self, clock: ManualClock, wire: LooseWire, *, seed: int = 1) -> None:
        self.clock = clock
        self.network = Network(clock, patience_s=2)
        super().__init__(W5500(clock, wire, self.network, random=Random(seed)), wire, REGISTERS)
        self.write(COMMON, 0x0001, bytes([192, 0, 2, 1, 255, 255, 255, 0]))
        self.write(COMMON, 0x000F, bytes([192, 0, 2, 20]))

    def open(self) -> None:
        self.write(REGISTERS, 0x00, b"\x01")
        self.command(OPEN)

    def connect(self, address: str = "192.0.2.10", port: int = 8080) -> None:
        self.open()
        self.write(REGISTERS, 0x0C, bytes(map(int, address.split("."))) + port.to_bytes(2, "big"))
        self.command(CONNECT)

    def send(self, data: bytes) -> None:
        at = self.word(0x24)
        self.write(TX, at, data)
        self.write(REGISTERS, 0x24, (at + len(data) & 0xFFFF).to_bytes(2, "big"))
        self.command(SEND)

    def receive(self, limit: int = 2048) -> bytes:
        length = min(self.word(0x26), limit)
        at = self.word(0x28)
        data = self.read(RX, at, length)
        self.write(REGISTERS, 0x28, (at + length & 0xFFFF).to_bytes(2, "big"))
        self.command(RECV)
        return data


@pytest.fixture
def driver(clock: ManualClock, new_wire: Callable[[], LooseWire]) -> Iterator[Driver]:
    attached = Driver(clock, new_wire())
    yield attached
    attached.network.close()


def test_reset_values_are_the_data_sheets(driver: Driver) -> None:
    assert driver.read(COMMON, 0x39) == b"\x04"
    assert driver.read(COMMON, 0x19, 3) == b"\x07\xd0\x08"
    assert driver.read(COMMON, 0x2E) == b"\xbf"
    assert driver.read(REGISTERS, 0x00, 4) == bytes(4)
    assert driver.read(REGISTERS, 0x1E, 4) == b"\x02\x02\x08\x00"


def test_link_down_shows_in_phycfgr(driver: Driver) -> None:
    driver.chip.link_up = False
    assert driver.read(COMMON, 0x2E)[0] & 1 == 0


def test_frame_writes_and_reads_run_on_from_an_address(driver: Driver) -> None:
    driver.write(COMMON, 0x0009, bytes(range(1, 11)))
    assert driver.read(COMMON, 0x0009, 10) == bytes(range(1, 11))


def test_mr_reset_forgets_addresses(driver: Driver) -> None:
    driver.write(COMMON, 0x0000, b"\x80")
    assert driver.read(COMMON, 0x0001, 4) == bytes(4)
    assert driver.chip.resets == 2


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda d: d.read(COMMON, 0x0030), "common register 0x0030"),
        (lambda d: d.write(COMMON, 0x0039, b"\x01"), "read-only common register 0x0039"),
        (lambda d: d.read(REGISTERS, 0x0014), "register 0x0014"),
        (lambda d: d.write(REGISTERS, 0x0003, b"\x17"), "read-only register 0x0003"),
        (lambda d: d.write(RX, 0, b"\x00"), "receive buffer of socket 0"),
        (lambda d: d.read(4, 0), "block 0b00100 is reserved"),
        (lambda d: d.command(0x02), "command 0x02 is not modelled"),
        (lambda d: d.command(CONNECT), "CONNECT in state 0x00"),
        (lambda d: d.command(SEND), "SEND in state 0x00"),
        (lambda d: d.write(REGISTERS, 0x1E, b"\x03"), "buffer size of 3 KB"),
        (lambda d: d.write(COMMON, 0x0000, b"\x10"), "MR 0x10"),
    ],
)
def test_what_the_data_sheet_forbids_is_named(driver: Driver, act: Callable[[Driver], None], named: str) -> None:
    with pytest.raises(PartError) as error:
        act(driver)
    assert named in str(error.value)


def test_open_in_another_mode_is_not_modelled(driver: Driver) -> None:
    driver.write(REGISTERS, 0x00, b"\x04")
    with pytest.raises(PartError, match="only TCP"):
        driver.command(OPEN)


def test_a_client_connection_from_open_to_close(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.open()
    assert driver.state == INIT
    driver.connect()
    assert driver.state == SYNSENT
    driver.clock.advance(0.002)
    assert (driver.state, driver.interrupts) == (ESTABLISHED, CONNECTED)

    driver.send(b"GET")
    host = peer.accept()
    assert host.recv(100) == b"GET"
    host.sendall(b"answer")
    host.close()
    driver.clock.advance(0.0015)
    assert driver.interrupts == CONNECTED | SEND_OK
    driver.clock.advance(0.005)
    assert driver.word(0x26) == 6
    assert driver.receive() == b"answer"
    driver.clock.advance(0.001)
    assert driver.state == CLOSE_WAIT
    driver.command(DISCON)
    driver.clock.advance(0.005)
    assert driver.state == CLOSED
    exchange = driver.network.exchanges[0]
    assert (bytes(exchange.sent), bytes(exchange.received), exchange.outcome) == (b"GET", b"answer", "finished")


def test_the_chip_closes_first(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.connect()
    driver.clock.advance(0.002)
    host = peer.accept()
    driver.command(DISCON)
    assert driver.state == FIN_WAIT
    assert host.recv(10) == b""
    host.close()
    driver.clock.advance(0.01)
    assert driver.state == CLOSED


@given(
    requests=st.lists(st.binary(min_size=1, max_size=2048), min_size=1, max_size=4),
    answer=st.binary(max_size=5000),
    piece=st.integers(1, 2048),
    seed=st.integers(0, 2**32),
)
def test_bytes_pass_the_rings_unaltered(requests: list[bytes], answer: bytes, piece: int, seed: int) -> None:
    """Wherever the rings start, wrap and fill up: what is sent arrives, and what is answered is received."""
    clock = ManualClock()
    driver = Driver(clock, LooseWire(clock), seed=seed)
    with Peer() as peer:
        driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
        driver.connect()
        driver.clock.advance(0.002)
        host = peer.accept()
        for request in requests:
            driver.send(request)
            assert host.recv(len(request), socket.MSG_WAITALL) == request
            driver.clock.advance(0.0015)
            assert driver.word(0x20) == 2048
        host.sendall(answer)
        host.close()
        driver.clock.advance(0.01)
        got = bytearray()
        while data := driver.receive(piece):
            got += data
        assert bytes(got) == answer
        driver.clock.advance(0.01)
        assert driver.state == CLOSE_WAIT
        driver.network.close()


def test_send_over_unacknowledged_data_is_named(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.connect()
    driver.clock.advance(0.002)
    driver.send(bytes(1500))
    with pytest.raises(PartError, match="SEND of 1500 bytes with 548 free"):
        driver.send(bytes(1500))
    driver.network.close()


def test_nobody_at_a_local_address_times_out_as_arp_does(driver: Driver) -> None:
    driver.write(COMMON, 0x19, b"\x03\xe8\x03")  # 100 ms, 3 retries
    driver.connect()
    driver.clock.advance(0.399)
    assert driver.state == SYNSENT
    driver.clock.advance(0.002)
    assert (driver.state, driver.interrupts) == (CLOSED, TIMEOUT)


def test_nobody_behind_the_router_times_out_as_tcp_does(driver: Driver) -> None:
    driver.write(COMMON, 0x19, b"\x03\xe8\x03")
    driver.connect("198.51.100.1")
    driver.clock.advance(1.499)
    assert driver.state == SYNSENT
    driver.clock.advance(0.002)
    assert (driver.state, driver.interrupts) == (CLOSED, TIMEOUT)


def test_a_refused_connection_closes_after_a_round_trip(driver: Driver, peer: Peer) -> None:
    peer.listener.close()
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.connect()
    driver.clock.advance(0.002)
    assert (driver.state, driver.interrupts) == (CLOSED, 0)
    assert driver.network.exchanges[0].outcome == "refused"


def test_data_without_a_link_times_out(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.write(COMMON, 0x19, b"\x03\xe8\x03")
    driver.connect()
    driver.clock.advance(0.002)
    driver.chip.link_up = False
    driver.send(b"lost")
    driver.clock.advance(1.6)
    assert driver.state == CLOSED
    assert driver.interrupts & TIMEOUT


def test_data_sent_without_a_link_goes_out_when_it_is_back(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.connect()
    driver.clock.advance(0.002)
    driver.chip.link_up = False
    driver.send(b"late")
    driver.clock.advance(0.5)
    assert driver.interrupts & SEND_OK == 0
    driver.chip.link_up = True
    host = peer.accept()
    assert host.recv(10) == b"late"
    host.close()
    driver.clock.advance(0.01)
    assert driver.interrupts & SEND_OK
    assert driver.state == CLOSE_WAIT


def test_an_answer_cut_by_a_fault_ends_in_a_close(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.network.fault_of = lambda _index: Fault(answer_limit=4)
    driver.connect()
    driver.clock.advance(0.002)
    driver.send(b"x")
    host = peer.accept()
    host.sendall(b"HTTP/1.1 200 OK")
    host.close()
    driver.clock.advance(0.01)
    assert driver.receive() == b"HTTP"
    driver.clock.advance(0.01)
    assert driver.state == CLOSE_WAIT


def test_a_slow_answer_comes_later_in_virtual_time(driver: Driver, peer: Peer) -> None:
    driver.network.map("192.0.2.10", 8080, to=("127.0.0.1", peer.port))
    driver.network.fault_of = lambda _index: Fault(extra_latency_s=1.5)
    driver.connect()
    driver.clock.advance(0.002)
    driver.send(b"x")
    host = peer.accept()
    host.sendall(b"y")
    host.close()
    driver.clock.advance(1.5)
    assert driver.word(0x26) == 0
    driver.clock.advance(0.01)
    assert driver.receive() == b"y"


@pytest.mark.parametrize(
    ("retry_time_s", "retries", "arp_s", "tcp_s"),
    [(0.2, 8, 1.8, 31.8), (0.1, 3, 0.4, 1.5), (0.1, 0, 0.1, 0.1)],
)
def test_timeouts_follow_the_data_sheets_formulas(
    retry_time_s: float, retries: int, arp_s: float, tcp_s: float
) -> None:
    assert arp_timeout_s(retry_time_s, retries) == pytest.approx(arp_s)
    assert tcp_timeout_s(retry_time_s, retries) == pytest.approx(tcp_s)
