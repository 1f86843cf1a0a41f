"""The emulated DHCP server against the tables of RFC 2131: section 4.3.1 (offers) and 4.3.2 (requests)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.dhcp_server import COOKIE, DhcpServer, Message, parse
from plantkeeper_sim.lan import BROADCAST, Datagram, Lan
from plantkeeper_sim.testing import ManualClock

NOWHERE, SERVER = IPv4Address(0), IPv4Address("192.0.2.1")
FIRST = IPv4Address("192.0.2.100")
ONE, OTHER = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


@dataclass
class Asker:
    """A client's side of the network."""

    clock: ManualClock
    lan: Lan
    server: DhcpServer

    def ask(
        self,
        message: Message,
        *,
        mac: bytes = ONE,
        ciaddr: IPv4Address = NOWHERE,
        requested: IPv4Address | None = None,
        chosen: IPv4Address | None = None,
        flags: int = 0x8000,
    ) -> tuple[int, IPv4Address, IPv4Address] | None:
        """The answer's type, its address and where it went; None where there was none."""
        data = b"\1\1\6\0XIDX\0\0" + flags.to_bytes(2, "big") + ciaddr.packed + bytes(12) + mac + bytes(10 + 192)
        data += COOKIE + option(53, bytes([message]))
        data += b"" if requested is None else option(50, requested.packed)
        data += b"" if chosen is None else option(54, chosen.packed)
        before = len(self.lan.history)
        self.lan.send(Datagram(ciaddr, 68, BROADCAST, 67, data + b"\xff"))
        self.clock.advance(0.01)
        answers = [datagram for _, datagram in self.lan.history[before + 1 :]]
        if not answers:
            return None
        [answer] = answers
        payload = answer.payload
        assert payload[:8] == b"\2\1\6\0XIDX"
        assert payload[28:34] == mac
        assert payload[240:242] == b"\x35\1"
        return payload[242], IPv4Address(payload[16:20]), answer.destination


@pytest.fixture
def asker(clock: ManualClock) -> Asker:
    lan = Lan(clock)
    return Asker(clock, lan, DhcpServer(clock, lan, lease_s=600))


def lease(asker: Asker, mac: bytes = ONE) -> IPv4Address:
    offered = asker.ask(Message.DISCOVER, mac=mac)
    assert offered is not None
    given_ = asker.ask(Message.REQUEST, mac=mac, requested=offered[1], chosen=SERVER)
    assert given_ == (Message.ACK, offered[1], BROADCAST)
    return offered[1]


def test_each_client_gets_an_address_of_its_own_and_the_same_again(asker: Asker) -> None:
    assert lease(asker) == FIRST
    assert lease(asker, OTHER) == FIRST + 1
    assert lease(asker) == FIRST


def test_an_address_is_free_again_when_its_lease_is_over(asker: Asker) -> None:
    asker.server.pool = (FIRST,)
    lease(asker)
    assert asker.ask(Message.DISCOVER, mac=OTHER) is None
    assert asker.server.holds(FIRST)
    asker.clock.advance(600)
    assert not asker.server.holds(FIRST)
    assert lease(asker, OTHER) == FIRST
    assert asker.ask(Message.REQUEST, ciaddr=FIRST) == (Message.NAK, NOWHERE, BROADCAST)


def test_a_release_ends_a_lease(asker: Asker) -> None:
    asker.server.pool = (FIRST,)
    lease(asker)
    asker.ask(Message.RELEASE, ciaddr=FIRST)
    assert lease(asker, OTHER) == FIRST


def test_a_request_to_another_server_is_none_of_its_business(asker: Asker) -> None:
    assert asker.ask(Message.REQUEST, requested=FIRST, chosen=SERVER + 1) is None


def test_a_renewal_is_answered_to_the_address_itself(asker: Asker) -> None:
    lease(asker)
    asker.clock.advance(300)
    assert asker.ask(Message.REQUEST, ciaddr=FIRST, flags=0) == (Message.ACK, FIRST, FIRST)
    asker.clock.advance(500)
    assert asker.server.holds(FIRST)


@pytest.mark.parametrize("authoritative", [True, False])
def test_a_renewal_that_nobody_knows_of_is_refused_by_an_authority_only(asker: Asker, authoritative: bool) -> None:
    asker.server.authoritative = authoritative
    answer = asker.ask(Message.REQUEST, ciaddr=FIRST)
    assert answer == ((Message.NAK, NOWHERE, BROADCAST) if authoritative else None)


def test_an_address_beyond_the_pool_is_refused(asker: Asker) -> None:
    lease(asker)
    asker.server.pool = (FIRST + 50,)
    assert asker.ask(Message.REQUEST, ciaddr=FIRST) == (Message.NAK, NOWHERE, BROADCAST)
    assert lease(asker) == FIRST + 50


def test_its_faults(asker: Asker) -> None:
    asker.server.silent = True
    assert asker.ask(Message.DISCOVER) is None
    asker.server.silent, asker.server.refuse = False, True
    assert asker.ask(Message.REQUEST, requested=FIRST, chosen=SERVER) == (Message.NAK, NOWHERE, BROADCAST)
    asker.server.refuse = False
    asker.server.mangle = lambda _data: None
    assert asker.ask(Message.DISCOVER) is None
    assert len(asker.server.heard(Message.DISCOVER)) == 2


@given(st.binary(max_size=400), st.binary(max_size=60))
def test_any_bytes_are_passed_over(data: bytes, options: bytes) -> None:
    clock = ManualClock()
    lan = Lan(clock)
    server = DhcpServer(clock, lan)
    good = b"\1\1\6" + bytes(233) + COOKIE
    for payload in (data, good + options, good + option(53, b"\1") + options):
        lan.send(Datagram(NOWHERE, 68, BROADCAST, 67, payload))
        clock.advance(0.01)
        if parse(payload) is None:
            assert server.history == []
