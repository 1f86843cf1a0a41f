"""The firmware leases its address: what it does when all goes well, and when server or network do not do their part."""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.dhcp_server import POOL, Message
from plantkeeper_sim.lan import BROADCAST, Datagram
from plantkeeper_sim.provision import SLOTS_AT, BoardConfig, eeprom_image, encode

HOUR_S = 3600
NOWHERE = IPv4Address(0)


def fields(board: UnoBoard, name: str) -> list[dict[str, str]]:
    return [dict(event.fields) for event in board.events_named(name)]


def keys(board: UnoBoard, name: str) -> list[str]:
    return [event.fields["key"] for event in board.events_named(name)]


def sources(board: UnoBoard) -> list[IPv4Address]:
    return [exchange.source for exchange in board.network.exchanges]


def heard_s(board: UnoBoard, message: Message) -> list[float]:
    return [cycles / board.mcu.clock_hz for cycles in board.dhcp_server.heard(message)]


def state(board: UnoBoard) -> list[str]:
    """The two last fields of `STAT?`."""
    board.mcu.uart.feed(b"STAT?\n")
    board.run_for(0.5)
    reply = next(line for _, line in reversed(board.lines) if not line.startswith("!"))
    return reply.split(",")[-2:]


@pytest.fixture
def board(new_board: Callable[..., UnoBoard]) -> UnoBoard:
    board = new_board(dhcp=True)
    board.dhcp_server.lease_s = HOUR_S
    return board


def is_well(board: UnoBoard) -> None:
    """Everything that was taken is delivered, in order, and nothing hung."""
    assert keys(board, "delivered") == keys(board, "taken")
    assert len(board.events_named("boot")) == 1
    assert fields(board, "hang") == fields(board, "dropped") == []


def test_it_obtains_an_address_and_posts_from_it(board: UnoBoard) -> None:
    board.run_for(15)
    assert fields(board, "address") == [{"ip": "192.0.2.100", "router": "192.0.2.1", "lease_s": "3600"}]
    assert sources(board) == [POOL[0]]
    is_well(board)
    assert [Message(kind) for _, kind, _ in board.dhcp_server.history] == [
        Message.DISCOVER, Message.OFFER, Message.REQUEST, Message.ACK,
    ]  # fmt: skip
    assert state(board) == ["bound", "192.0.2.100"]
    assert board.w5500.own_address == POOL[0]


def test_a_fixed_address_asks_nobody(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board()
    board.run_for(600)
    assert board.dhcp_server.history == []
    assert set(sources(board)) == {board.config.address}
    assert state(board) == ["static", "192.0.2.20"]
    is_well(board)


def test_a_lease_is_renewed_for_hours(board: UnoBoard) -> None:
    board.run_for(6 * HOUR_S)
    requests = heard_s(board, Message.REQUEST)
    gaps = [later - earlier for earlier, later in itertools.pairwise(requests)]
    assert len(heard_s(board, Message.DISCOVER)) == 1
    assert all(HOUR_S / 2 * 15 / 16 - 5 <= gap <= HOUR_S / 2 + 5 for gap in gaps)
    assert len(requests) >= 12
    renewals = [d for _, d in board.network.lan.history if d.source == POOL[0]]
    assert {renewal.destination for renewal in renewals} == {board.dhcp_server.address}
    assert len(fields(board, "address")) == len(requests)
    assert set(sources(board)) == {POOL[0]}
    is_well(board)


@pytest.mark.slow
def test_without_a_server_readings_wait_and_go_out_when_it_is_there(board: UnoBoard) -> None:
    board.dhcp_server.silent = True
    board.run_for(2 * HOUR_S)
    assert {event["reason"] for event in fields(board, "undelivered")} == {"noaddress"}
    assert sources(board) == []
    assert board.events_named("delivered") == []
    asked = heard_s(board, Message.DISCOVER)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert all(abs(gap - whole) < 1.1 for gap, whole in zip(gaps, [4, 8, 16, 32, 64, 64, 64], strict=False))
    assert all(62.9 < gap < 65.1 for gap in gaps[4:])
    board.dhcp_server.silent = False
    board.run_for(400)
    assert len(board.events_named("taken")) == 26
    is_well(board)


def test_a_server_that_was_late_is_heard(board: UnoBoard) -> None:
    board.dhcp_server.delay_s = 2.5
    board.run_for(40)
    assert len(heard_s(board, Message.DISCOVER)) == 1
    is_well(board)


def test_the_loop_goes_on_while_nobody_answers(board: UnoBoard) -> None:
    """The console is answered at once, and the board sleeps most of the time."""
    board.dhcp_server.silent = True
    board.run_for(7)
    for _ in range(10):
        asked = board.mcu.cycles
        board.mcu.uart.feed(b"*CLS\nSYST:ERR?\n")
        board.run_for(3.3)
        [answered] = [cycles for cycles, line in board.lines if line == '0,"No error"' and cycles > asked]
        assert (answered - asked) / board.mcu.clock_hz < 0.1
    assert board.mcu.awake_cycles / board.mcu.cycles < 0.02


def test_a_renewal_that_is_refused_leads_to_another_address(board: UnoBoard) -> None:
    board.run_for(600)
    board.dhcp_server.pool = POOL[5:]
    board.run_for(HOUR_S)
    assert fields(board, "noaddress") == [{"reason": "refused"}]
    assert list(dict.fromkeys(event["ip"] for event in fields(board, "address"))) == ["192.0.2.100", "192.0.2.105"]
    assert sources(board)[-1] == POOL[5]
    is_well(board)


def test_a_server_that_refuses_what_it_offered_is_not_asked_in_a_hurry(board: UnoBoard) -> None:
    board.dhcp_server.refuse = True
    board.run_for(900)
    refusals = len(heard_s(board, Message.NAK))
    assert 8 < refusals < 60
    assert len(fields(board, "noaddress")) == refusals
    board.dhcp_server.refuse = False
    board.run_for(400)
    assert fields(board, "address")
    is_well(board)


def test_a_lease_that_nobody_renews_ends_and_a_new_one_begins(board: UnoBoard) -> None:
    board.run_for(600)
    board.dhcp_server.silent = True
    board.run_for(HOUR_S + 60)
    [lost] = board.events_named("noaddress")
    leased_s = board.dhcp_server.heard(Message.ACK)[0] / board.mcu.clock_hz
    assert lost.fields["reason"] == "expired"
    # a tick of 4 s late at most
    assert HOUR_S - 1 <= lost.cycles / board.mcu.clock_hz - leased_s <= HOUR_S + 4.1
    assert board.w5500.own_address == NOWHERE
    assert state(board)[1] == "0.0.0.0"
    before = len(board.network.exchanges)
    board.run_for(600)
    assert len(board.network.exchanges) == before  # no post from an address that is none any more
    board.dhcp_server.silent, board.dhcp_server.pool = False, POOL[3:]
    board.run_for(400)
    assert fields(board, "address")[-1]["ip"] == "192.0.2.103"
    assert sources(board)[-1] == POOL[3]
    is_well(board)


def test_a_server_that_went_away_is_replaced_by_another_before_the_lease_ends(board: UnoBoard) -> None:
    board.run_for(600)
    old = board.dhcp_server
    board.network.lan.detach(old)  # not even ARP is answered for it
    new = type(old)(board.mcu, board.network.lan, address=IPv4Address("192.0.2.2"), lease_s=HOUR_S)
    new.bindings = old.bindings
    board.run_for(HOUR_S)
    assert fields(board, "noaddress") == []
    assert len(fields(board, "address")) == 2
    assert new.heard(Message.ACK)
    is_well(board)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda data: data[:200],
        lambda data: data[:-1],  # without its end
        lambda data: data[:4] + b"XXXX" + data[8:],  # of another transaction
        lambda data: data[:28] + b"\2\0\0\0\0\x63" + data[34:],  # for another board
        lambda data: data + bytes(1100),
        lambda _data: b"",
        lambda _data: None,
    ],
)
def test_answers_that_are_damaged_or_for_others_are_passed_over(
    board: UnoBoard, mangle: Callable[[bytes], bytes | None]
) -> None:
    board.dhcp_server.mangle = lambda data: mangle(data) if len(board.dhcp_server.history) < 6 else data
    board.run_for(300)
    assert [event["ip"] for event in fields(board, "address")] == ["192.0.2.100"]
    is_well(board)


def test_a_crowd_of_other_clients_does_not_drown_its_answer(board: UnoBoard) -> None:
    """Servers answer others by broadcast, too: 600 bytes every 100 ms fill the buffer in a third of a second."""

    def chatter() -> None:
        board.network.lan.answer(Datagram(board.dhcp_server.address, 67, BROADCAST, 68, b"\2\1\6\0" + bytes(596)))
        board.mcu.call_in(0.1, chatter)

    chatter()
    board.run_for(120)
    assert fields(board, "address")
    is_well(board)


def test_datagrams_that_do_not_come_from_a_servers_port_are_none(board: UnoBoard) -> None:
    lan, server = board.network.lan, board.dhcp_server
    answer = lan.answer

    def from_another_port(datagram: Datagram, *, after_s: float = 0.0) -> None:
        answer(Datagram(datagram.source, 6767, datagram.destination, 68, datagram.payload), after_s=after_s)

    lan.answer = from_another_port  # type: ignore[method-assign] # a server that does not bind its port
    board.run_for(60)
    assert fields(board, "address") == []
    assert len(server.heard(Message.OFFER)) >= 3


# ---- the cable --------------------------------------------------------------------------------------------------


def test_an_address_is_confirmed_when_the_cable_is_in_again(board: UnoBoard) -> None:
    board.run_for(600)
    board.w5500.link_up = False
    board.run_for(100)
    assert state(board) == ["bound", "192.0.2.100"]
    board.w5500.link_up = True
    board.run_for(16)
    assert len(fields(board, "address")) == 2
    assert len(heard_s(board, Message.DISCOVER)) == 1
    board.run_for(300)
    is_well(board)


def test_another_network_gives_another_address(board: UnoBoard) -> None:
    board.run_for(600)
    board.w5500.link_up = False
    board.run_for(100)
    board.dhcp_server.pool, board.dhcp_server.bindings = POOL[7:], {}
    board.w5500.link_up = True
    board.run_for(320)
    assert fields(board, "noaddress") == [{"reason": "refused"}]
    assert fields(board, "address")[-1]["ip"] == "192.0.2.107"
    is_well(board)


def test_without_a_cable_nothing_is_asked_and_then_it_is(board: UnoBoard) -> None:
    board.w5500.link_up = False
    board.run_for(400)
    assert board.dhcp_server.history == []
    assert {event["reason"] for event in fields(board, "undelivered")} == {"nolink"}
    board.w5500.link_up = True
    board.run_for(20)
    is_well(board)


def test_a_lease_that_ends_without_a_cable_is_used_no_more(board: UnoBoard) -> None:
    board.run_for(60)
    board.w5500.link_up = False
    board.run_for(2 * HOUR_S)
    assert fields(board, "noaddress") == [{"reason": "expired"}]
    board.w5500.link_up = True
    board.run_for(320)
    assert len(heard_s(board, Message.DISCOVER)) == 2
    is_well(board)


# ---- restarts and chips that fail --------------------------------------------------------------------------------


def test_after_a_restart_it_has_the_same_address_again(board: UnoBoard) -> None:
    board.run_for(20)
    board.mcu.uart.feed(b"*RST\n")
    board.run_for(20)
    assert [event["ip"] for event in fields(board, "address")] == ["192.0.2.100"] * 2
    first, second = (payload[4:8] for payload in discovers(board))
    assert first != second


def discovers(board: UnoBoard) -> list[bytes]:
    return [d.payload for _, d in board.network.lan.history if d.payload[240:243] == b"\x35\x01\x01"]


def test_without_a_w5500_it_says_so_and_does_not_hang(board: UnoBoard) -> None:
    board.mcu.spi.attach(lambda _mosi: 0xFF)
    board.run_for(60)
    assert len(board.events_named("no_w5500")) == 1
    assert state(board) == ["none", "0.0.0.0"]
    assert len(board.events_named("boot")) == 1


def test_a_w5500_that_dies_does_not_hang_it(board: UnoBoard) -> None:
    board.run_for(20)
    for dead in (lambda _mosi: 0xFF, lambda _mosi: 0x00):
        board.mcu.spi.attach(dead)
        board.run_for(400)
    board.mcu.spi.attach(board.w5500.transfer)
    board.run_for(400)
    assert len(board.events_named("boot")) == 1
    assert keys(board, "taken")[-1] in keys(board, "delivered")


def test_the_count_of_milliseconds_wraps_under_a_lease(board: UnoBoard, symbol: Callable[[str], int]) -> None:
    board.run_for(20)
    # The jump of 49.7 days ends this lease; the wrap comes ten minutes later, under the next.
    for variable in ("tick_count", "next_reading_tick"):
        board.mcu.write_data(symbol(variable), ((2**32 // 1000 - 600) // 4).to_bytes(4, "little"))
    board.run_for(2 * HOUR_S)
    assert fields(board, "noaddress") == [{"reason": "expired"}]
    requests = heard_s(board, Message.REQUEST)[1:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(requests)]
    assert len(gaps) >= 3
    assert all(HOUR_S / 2 * 15 / 16 - 5 <= gap <= HOUR_S / 2 + 5 for gap in gaps)


# ---- configuration ----------------------------------------------------------------------------------------------


def test_it_is_switched_on_and_off_over_the_console(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board()
    for setting, ip in (("ON", POOL[0]), ("OFF", board.config.address)):
        board.run_for(5)
        for line in (f"CONF:NET:DHCP {setting}", "CONF:SAVE", "*RST"):
            board.mcu.uart.feed(line.encode() + b"\n")
            board.run_for(1)
        board.run_for(20)
        assert sources(board)[-1] == ip
    assert board.mcu.eeprom[SLOTS_AT[0] : SLOTS_AT[0] + 82] == encode(board.config, generation=2)


def test_a_board_that_was_configured_before_dhcp_keeps_its_configuration(
    new_board: Callable[..., UnoBoard], scripted: Any
) -> None:
    config = BoardConfig(7, address=IPv4Address("192.0.2.33"), key_number=3, key=bytes(range(32)))
    old = b"PKC3" + encode(config)[4:78]
    record = old + binascii.crc_hqx(old, 0xFFFF).to_bytes(2, "little")
    image = eeprom_image(config)
    board = new_board(eeprom=image[: SLOTS_AT[0]] + record + b"\xff\xff" + image[SLOTS_AT[0] + 82 :])
    board.run_for(10)
    assert sources(board) == [config.address]
    assert b'keyid="7.3"' in scripted.requests[0]
    board.mcu.uart.feed(b"CONF:SAVE\n")
    board.run_for(2)
    assert board.mcu.eeprom[SLOTS_AT[0] : SLOTS_AT[0] + 80] == record
    assert board.mcu.eeprom[SLOTS_AT[1] : SLOTS_AT[1] + 82] == encode(config, generation=1)
