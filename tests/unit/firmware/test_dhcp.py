"""The DHCP client under sanitizers: its datagrams, its times, whatever comes in, and a server that misbehaves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from plantkeeper_sim.dhcp_server import COOKIE, FOR_EVER_S, DhcpServer, Message, compose, parse
from plantkeeper_sim.lan import BROADCAST, Datagram, Lan
from plantkeeper_sim.testing import ManualClock

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]
MAC = bytes.fromhex("020000000007")
SERVER, OTHER = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
MASK, ROUTER, OFFERED = IPv4Address("255.255.255.0"), IPv4Address("192.0.2.254"), IPv4Address("192.0.2.100")
LEASE_S = 3600
NONE, LEASED, EXPIRED, REFUSED = range(4)
uint32 = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Status:
    """What the client says of itself after an act."""

    change: int
    state: str
    due: bool
    due_soon: bool
    address: IPv4Address | None
    lease_s: int
    to: IPv4Address | None = None
    sent: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Status:
        change, state, due, soon, address, _, _, lease, *sent = text.split()
        to, data = (IPv4Address(bytes.fromhex(sent[0])), bytes.fromhex(sent[1])) if sent else (None, b"")
        has = None if address == "-" else IPv4Address(bytes.fromhex(address))
        return cls(int(change), state, due == "1", soon == "1", has, int(lease), to, data)


class Client:
    """The firmware's client and its clock."""

    def __init__(self, ask: Ask, *, seed: int = 1, start_ms: int = 0) -> None:
        self._ask, self._start_ms = ask, start_ms
        self.elapsed_ms = 0
        self.status = self._do(f"begin {MAC.hex()} {seed} {start_ms % 2**32}")

    def _do(self, act: str) -> Status:
        self.status = Status.parse(self._ask(f"dhcp {act}"))
        return self.status

    def advance(self, seconds: float) -> Status:
        self.elapsed_ms += round(seconds * 1000)
        return self._do(f"advance {(self._start_ms + self.elapsed_ms) % 2**32}")

    def write(self) -> Status:
        assert self.status.due
        return self._do("write")

    def take(self, data: bytes) -> Status:
        return self._do(f"take {data.hex()}")

    def reconnect(self) -> Status:
        return self._do("reconnect")

    def wait_until_due(self, longest_s: float, step_s: float = 0.05) -> float:
        waited_s = 0.0
        while not self.status.due:
            assert waited_s <= longest_s, f"nothing due after {waited_s} s in {self.status}"
            self.advance(step_s)
            waited_s += step_s
        return waited_s


def options(more: dict[int, bytes] | None = None, *, server: IPv4Address = SERVER) -> dict[int, bytes]:
    usual = {1: MASK.packed, 3: ROUTER.packed, 51: LEASE_S.to_bytes(4, "big"), 54: server.packed}
    return {code: value for code, value in {**usual, **(more or {})}.items() if value}


def answer(
    to: bytes,
    message: Message,
    more: dict[int, bytes] | None = None,
    *,
    yiaddr: IPv4Address = OFFERED,
    server: IPv4Address = SERVER,
) -> bytes:
    query = parse(to)
    assert query is not None
    return compose(query, message, options(more, server=server), yiaddr=yiaddr)


def selecting(client: Client) -> bytes:
    client.wait_until_due(10.05)
    return client.write().sent


def requesting(client: Client) -> bytes:
    client.take(answer(selecting(client), Message.OFFER))
    return client.write().sent


def bound(client: Client, more: dict[int, bytes] | None = None) -> Status:
    return client.take(answer(requesting(client), Message.ACK, more))


def renewing(client: Client) -> bytes:
    bound(client)
    client.advance(LEASE_S / 2)
    return client.write().sent


def rebinding(client: Client) -> bytes:
    bound(client)
    client.advance(LEASE_S * 7 / 8)
    return client.write().sent


# ---- datagrams -------------------------------------------------------------------------------------------------


def test_a_discover_is_as_the_rfc_lays_it_out(ask: Ask) -> None:
    client = Client(ask)
    client.wait_until_due(10.05)
    said = client.write()
    query = parse(said.sent)
    assert query is not None
    assert said.to == BROADCAST
    assert len(said.sent) == 300
    assert said.sent[:4] == b"\x01\x01\x06\x00"
    assert said.sent[10:12] == b"\x80\x00"  # answer by broadcast: there is no address yet to send to
    assert said.sent[12:28] == bytes(16)
    assert said.sent[28:44] == MAC + bytes(10)
    assert said.sent[44:236] == bytes(192)
    assert said.sent[236:240] == COOKIE
    assert query.options == {53: b"\x01", 55: bytes([1, 3, 58, 59])}


def test_a_request_names_address_and_server_in_the_same_transaction(ask: Ask) -> None:
    client = Client(ask)
    discover = selecting(client)
    client.take(answer(discover, Message.OFFER))
    said = client.write()
    query = parse(said.sent)
    assert query is not None
    assert (said.state, said.to) == ("requesting", BROADCAST)
    assert said.sent[4:12] == discover[4:12]  # xid, secs, flags
    assert query.ciaddr == IPv4Address(0)
    assert query.options == {53: b"\x03", 50: OFFERED.packed, 54: SERVER.packed, 55: bytes([1, 3, 58, 59])}


def test_a_renewal_goes_to_the_server_and_a_rebinding_to_all(ask: Ask) -> None:
    for begin, to in ((renewing, SERVER), (rebinding, BROADCAST)):
        client = Client(ask)
        first = parse(begin(client))
        assert first is not None
        assert client.status.to == to
        assert (first.ciaddr, first.flags) == (OFFERED, 0)
        assert first.options == {53: b"\x03", 55: bytes([1, 3, 58, 59])}


def test_what_the_ack_says_is_what_the_board_has(ask: Ask) -> None:
    client = Client(ask)
    said = bound(client)
    assert (said.change, said.state, said.address, said.lease_s) == (LEASED, "bound", OFFERED, LEASE_S)
    assert ask("dhcp").split()[4:8] == [OFFERED.packed.hex(), MASK.packed.hex(), ROUTER.packed.hex(), str(LEASE_S)]


def test_without_a_router_there_is_none(ask: Ask) -> None:
    bound(Client(ask), {3: b""})
    assert ask("dhcp").split()[6] == "00000000"


# ---- times -----------------------------------------------------------------------------------------------------


@given(seed=uint32, start_ms=uint32)
def test_a_search_begins_after_one_to_ten_seconds_and_doubles_its_waits(ask: Ask, seed: int, start_ms: int) -> None:
    client = Client(ask, seed=seed, start_ms=start_ms)
    assert 0.95 <= client.wait_until_due(10.05) <= 10.05
    xid = client.write().sent[4:8]
    for whole_s in (4, 8, 16, 32, 64, 64, 64):
        assert abs(client.wait_until_due(70, step_s=0.5) - whole_s) <= 1.5
        again = client.write().sent
        assert again[4:8] == xid
        assert int.from_bytes(again[8:10], "big") > 0  # secs


def test_boards_do_not_begin_in_step(ask: Ask) -> None:
    begins = [Client(ask, seed=seed).wait_until_due(10.05) for seed in range(1, 40)]
    assert max(begins) - min(begins) > 7
    assert len({round(begin, 1) for begin in begins}) > 20


def test_a_server_that_does_not_answer_a_request_is_asked_four_times(ask: Ask) -> None:
    client = Client(ask)
    requesting(client)
    for _ in range(3):
        client.wait_until_due(40)
        assert client.write().state == "requesting"
    waited_s = 0.0
    while client.status.state == "requesting" and waited_s < 40:
        client.advance(0.5)
        waited_s += 0.5
    assert 30 < waited_s < 34
    assert client.status.state == "init"


@pytest.mark.parametrize(
    ("told", "renewal_s", "rebinding_s"),
    [
        ({}, 1800, 3150),
        ({58: (600).to_bytes(4, "big"), 59: (1200).to_bytes(4, "big")}, 600, 1200),
        ({58: (600).to_bytes(4, "big"), 59: (600).to_bytes(4, "big")}, 1800, 3150),
        ({58: (600).to_bytes(4, "big"), 59: (3600).to_bytes(4, "big")}, 1800, 3150),
        ({58: (600).to_bytes(4, "big")}, 1800, 3150),
    ],
)
def test_a_lease_is_renewed_at_t1_and_rebound_at_t2_and_ends(
    ask: Ask, told: dict[int, bytes], renewal_s: int, rebinding_s: int
) -> None:
    client = Client(ask, seed=3)
    bound(client, told)
    entered, sent, last = {}, [], "bound"
    asked_ms = client.elapsed_ms
    while client.status.address is not None and client.elapsed_ms - asked_ms < 2 * LEASE_S * 1000:
        said = client.advance(1)
        at_s = (client.elapsed_ms - asked_ms) / 1000
        if said.state != last:
            entered[said.state], last = at_s, said.state
        if said.due and said.address:
            sent.append((at_s, client.write().state))
    assert renewal_s * 15 / 16 - 1 <= entered["renewing"] <= renewal_s
    assert rebinding_s - 1 <= entered["rebinding"] <= rebinding_s
    assert LEASE_S - 1 <= entered["init"] <= LEASE_S
    for state, end_s in (("renewing", rebinding_s), ("rebinding", LEASE_S)):
        times = [at_s for at_s, of in sent if of == state]
        assert len(times) >= 2
        for at_s, next_s in itertools.pairwise(times):
            assert abs(next_s - at_s - max(60, (end_s - at_s) / 2)) <= 2


def test_the_end_of_a_lease_is_told_and_a_search_follows(ask: Ask) -> None:
    client = Client(ask)
    bound(client)
    said = client.advance(LEASE_S)
    assert (said.change, said.state, said.address) == (EXPIRED, "init", None)
    assert client.advance(10).due
    assert parse(client.write().sent).message == Message.DISCOVER  # type: ignore[union-attr]


@pytest.mark.parametrize("lease_s", [60, 2**31, FOR_EVER_S - 1])
@given(start_ms=uint32)
def test_leases_outlast_the_wrap_of_milliseconds(ask: Ask, lease_s: int, start_ms: int) -> None:
    client = Client(ask, start_ms=start_ms)
    bound(client, {51: lease_s.to_bytes(4, "big")})
    step_s = 20 * 86_400.0
    asked_ms = client.elapsed_ms
    while (client.elapsed_ms - asked_ms) / 1000 + step_s < lease_s:
        assert client.advance(step_s).address == OFFERED
        if lease_s > 60 and client.elapsed_ms > 2**34:
            return  # half a year, three wraps
    assert client.advance(lease_s - (client.elapsed_ms - asked_ms) / 1000).change == EXPIRED


def test_a_lease_for_ever_is_never_renewed(ask: Ask) -> None:
    client = Client(ask)
    bound(client, {51: FOR_EVER_S.to_bytes(4, "big")})
    for _ in range(300):
        said = client.advance(20 * 86_400)
        assert (said.state, said.due) == ("bound", False)


def test_a_lease_counts_from_its_request(ask: Ask) -> None:
    client = Client(ask)
    request = requesting(client)
    client.advance(3)
    client.take(answer(request, Message.ACK))
    assert client.advance(LEASE_S - 3).change == EXPIRED


def test_a_renewed_lease_counts_from_the_renewal_that_was_answered(ask: Ask) -> None:
    client = Client(ask)
    first = renewing(client)
    client.wait_until_due(LEASE_S, step_s=1)
    second = client.write().sent
    assert client.take(answer(first, Message.ACK)).change == NONE  # its lease is older than the client would count it
    assert client.take(answer(second, Message.ACK)).change == LEASED
    assert client.advance(LEASE_S - 1).address == OFFERED
    assert client.advance(1).change == EXPIRED


# ---- answers ---------------------------------------------------------------------------------------------------


def test_a_nak_ends_a_lease_at_once_and_pauses_grow_where_offers_come_to_nothing(ask: Ask) -> None:
    client = Client(ask)
    said = client.take(answer(renewing(client), Message.NAK, {1: b"", 3: b"", 51: b""}))
    assert (said.change, said.state, said.address) == (REFUSED, "init", None)
    pauses = []
    for _ in range(6):
        pauses.append(client.wait_until_due(80.05))
        client.take(answer(client.write().sent, Message.OFFER))
        said = client.take(answer(client.write().sent, Message.NAK))
        assert said.change == REFUSED
    assert all(1 << min(n + 1, 3) <= pause + 0.05 for n, pause in enumerate(pauses))


def test_another_servers_word_counts_only_when_the_client_asks_all(ask: Ask) -> None:
    for begin, heard in ((requesting, False), (renewing, False), (rebinding, True)):
        for message, change in ((Message.ACK, LEASED), (Message.NAK, REFUSED)):
            client = Client(ask)
            said = client.take(answer(begin(client), message, server=OTHER))
            assert said.change == (change if heard else NONE)
            if not heard:
                assert client.take(answer(begin(Client(ask)), message)).change == change


def test_an_ack_of_another_address_than_was_asked_for_is_none(ask: Ask) -> None:
    for begin in (requesting, renewing, rebinding):
        client = Client(ask)
        request = begin(client)
        assert client.take(answer(request, Message.ACK, yiaddr=OFFERED + 1)).change == NONE
        assert client.take(answer(request, Message.ACK)).change == LEASED


def test_each_state_hears_only_what_it_asked_for(ask: Ask) -> None:
    client = Client(ask)
    discover = selecting(client)
    for message in Message:
        if message != Message.OFFER:
            assert client.take(answer(discover, message)).state == "selecting"
    client.take(answer(discover, Message.OFFER))
    assert client.take(answer(discover, Message.OFFER, yiaddr=OFFERED + 1)).state == "requesting"
    request = client.write().sent
    assert client.take(answer(request, Message.ACK)).state == "bound"
    for message in Message:
        said = client.take(answer(request, message))
        assert (said.change, said.state) == (NONE, "bound")


GOOD = {1: MASK.packed, 3: ROUTER.packed, 51: LEASE_S.to_bytes(4, "big"), 54: SERVER.packed}


@pytest.mark.parametrize(
    "broken",
    [
        {1: b""}, {51: b""}, {54: b""}, {53: b""},  # missing
        {1: b"\xff\xff\xff"}, {3: b"\xc0\x00\x02"}, {3: ROUTER.packed + b"\1"}, {51: bytes(3)}, {54: bytes(5)},
        {53: b"\x02\x02"}, {58: bytes(2)}, {59: bytes(8)},  # of a wrong length
        {1: bytes([255, 0, 255, 0])}, {51: (59).to_bytes(4, "big")},  # of no use
    ],
)  # fmt: skip
def test_an_offer_that_lacks_something_is_none(ask: Ask, broken: dict[int, bytes]) -> None:
    client = Client(ask)
    discover = selecting(client)
    if broken == {53: b""}:
        data = answer(discover, Message.OFFER).replace(b"\x35\x01\x02", b"")
    else:
        data = answer(discover, Message.OFFER, broken)
    assert client.take(data).state == "selecting"
    assert client.take(answer(discover, Message.OFFER)).state == "requesting"


@pytest.mark.parametrize("code", [1, 3, 51, 53, 54, 58, 59])
def test_an_option_that_comes_twice_spoils_an_answer(ask: Ask, code: int) -> None:
    """RFC 3396 would join the two: there is nothing to join in a value of a fixed length."""
    client = Client(ask)
    discover = selecting(client)
    data = answer(discover, Message.OFFER, {58: bytes(4), 59: bytes(4)})
    value = {53: b"\1\2"}.get(code, b"\4" + {1: MASK.packed}.get(code, bytes(4)))
    twice = data[:-1] + bytes([code]) + value + b"\xff"
    assert client.take(twice).state == "selecting"
    assert client.take(data).state == "requesting"


@pytest.mark.parametrize("address", ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
def test_an_address_that_no_host_can_have_is_none(ask: Ask, address: str) -> None:
    client = Client(ask)
    assert client.take(answer(selecting(client), Message.OFFER, yiaddr=IPv4Address(address))).state == "selecting"


def test_pads_routers_and_unknown_options_are_passed_over(ask: Ask) -> None:
    client = Client(ask)
    more = {3: ROUTER.packed + OTHER.packed, 6: bytes(8), 15: b"example.org", 61: b"", 252: bytes(255)}
    data = answer(selecting(client), Message.OFFER, more).replace(COOKIE, COOKIE + bytes(3)) + b"after the end"
    assert client.take(data).state == "requesting"


def usable(data: bytes, xid: bytes) -> int:
    """The type of an answer that is meant for this client and whole, else 0: another reading of the RFCs."""
    fixed = data[:3] + data[4:8] + data[28:34] + data[236:240]
    if len(data) < 241 or fixed != b"\x02\x01\x06" + xid + MAC + COOKIE:
        return 0
    found: dict[int, bytes] = {}
    rest = data[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        code, value = rest[0], rest[2 : 2 + rest[1]] if len(rest) > 1 else b""
        if len(rest) < 2 or len(value) < rest[1] or (code in found and code in {1, 3, 51, 53, 54, 58, 59}):
            return 0
        found[code], rest = value, rest[2 + rest[1] :]
    lengths = {1: 4, 51: 4, 53: 1, 54: 4, 58: 4, 59: 4}
    if not rest or any(len(found[code]) != length for code, length in lengths.items() if code in found):
        return 0
    if (3 in found and (not found[3] or len(found[3]) % 4)) or not {53, 54} <= set(found):
        return 0
    if found[53] == b"\x06":
        return 6
    if found[53] not in {b"\x02", b"\x05"} or not {1, 51} <= set(found):
        return 0
    bits = f"{int.from_bytes(found[1], 'big'):032b}"
    good_host = data[16] not in {0, 127} and data[16] < 224
    return found[53][0] if "01" not in bits and int.from_bytes(found[51], "big") >= 60 and good_host else 0


@st.composite
def mangled(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What becomes of a good answer: bytes changed, a piece cut out, doubled or put in."""
    changes = draw(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=3))
    kind = draw(st.sampled_from(["keep", "cut", "drop", "insert"]))
    at, length = draw(st.integers(0, 320)), draw(st.integers(1, 12))
    piece = draw(st.binary(max_size=12))

    def mangle(data: bytes) -> bytes:
        altered = bytearray(data)
        for index, change in changes:
            if index < len(altered):
                altered[index] ^= change
        if kind == "cut":
            del altered[at:]
        elif kind == "drop":
            del altered[at : at + length]
        elif kind == "insert":
            altered[at:at] = piece
        return bytes(altered)

    return mangle


BEGINS = {"selecting": selecting, "requesting": requesting, "renewing": renewing, "rebinding": rebinding}
EXPECTED = {
    ("selecting", Message.OFFER): "requesting",
    ("requesting", Message.ACK): "bound", ("requesting", Message.NAK): "init",
    ("renewing", Message.ACK): "bound", ("renewing", Message.NAK): "init",
    ("rebinding", Message.ACK): "bound", ("rebinding", Message.NAK): "init",
}  # fmt: skip


@settings(max_examples=400)
@given(
    state=st.sampled_from(sorted(BEGINS)),
    message=st.sampled_from([Message.OFFER, Message.ACK, Message.NAK]),
    mangle=mangled(),
)
@example("selecting", Message.OFFER, bytes)
def test_a_mangled_answer_moves_the_client_only_where_it_is_still_a_good_one(
    ask: Ask, state: str, message: Message, mangle: Callable[[bytes], bytes]
) -> None:
    client = Client(ask)
    query = BEGINS[state](client)
    data = mangle(answer(query, message))
    kind = usable(data, query[4:8])
    expected = EXPECTED.get((state, Message(kind)), state) if kind else state
    if state == "requesting" and kind and data[16:20] != OFFERED.packed and kind == Message.ACK:
        expected = state
    if state in {"renewing", "rebinding"} and kind == Message.ACK and data[16:20] != OFFERED.packed:
        expected = state
    if state in {"requesting", "renewing"} and kind and SERVER.packed not in data[240:]:
        expected = state
    assert client.take(data).state == expected


@given(state=st.sampled_from(sorted(BEGINS)), data=st.binary(max_size=600))
def test_any_bytes_move_nothing(ask: Ask, state: str, data: bytes) -> None:
    client = Client(ask)
    BEGINS[state](client)
    before = client.status
    said = client.take(data)
    assert (said.change, said.state, said.address) == (NONE, before.state, before.address)


@given(st.binary(max_size=80))
def test_any_options_of_an_answer_to_us_end(ask: Ask, options_bytes: bytes) -> None:
    client = Client(ask)
    discover = selecting(client)
    data = answer(discover, Message.OFFER)[:240] + options_bytes
    expected = "requesting" if usable(data, discover[4:8]) == Message.OFFER else "selecting"
    assert client.take(data).state == expected


# ---- the link --------------------------------------------------------------------------------------------------


def test_an_address_is_confirmed_when_the_link_is_back(ask: Ask) -> None:
    client = Client(ask)
    bound(client)
    said = client.reconnect()
    assert (said.state, said.address) == ("rebinding", OFFERED)
    assert client.wait_until_due(10.05) + 0.05 >= 1
    request = client.write().sent
    assert client.take(answer(request, Message.ACK)).state == "bound"
    client.reconnect()
    client.wait_until_due(10.05)
    assert client.take(answer(client.write().sent, Message.NAK)).address is None


def test_a_search_starts_anew_when_the_link_is_back(ask: Ask) -> None:
    client = Client(ask)
    selecting(client)
    for _ in range(5):
        client.wait_until_due(70)
        client.write()
    assert client.reconnect().state == "init"
    assert client.wait_until_due(10.05) >= 0.95


# ---- a server that misbehaves ----------------------------------------------------------------------------------


class LeaseMachine(RuleBasedStateMachine):
    """Client and server, and a network between them that loses, doubles, delays and mangles what it carries."""

    ask: ClassVar[Ask]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.lan = Lan(self.clock)
        self.inbox: list[bytes] = []
        self.lan.bind(68, lambda datagram: self.inbox.append(datagram.payload))
        self.server = DhcpServer(self.clock, self.lan, lease_s=600, pool=(OFFERED, OFFERED + 1))
        # 300 s before the count of milliseconds wraps
        self.client = Client(type(self).ask, seed=7, start_ms=2**32 - 300_000)
        self.granted: dict[
            IPv4Address, float
        ] = {}  # by ACKs that were delivered, and until when, by the server's clock
        self.asked_s = 0.0

    def deliver(self, data: bytes) -> None:
        before = self.client.status
        said = self.client.take(data)
        if said.change == LEASED:
            assert said.address is not None
            self.granted = {said.address: self.asked_s + said.lease_s}
        elif said.change == REFUSED:
            assert data[240:243] == b"\x35\x01\x06"
            self.granted = {}
        else:
            assert said.address == before.address

    def step(self, seconds: float) -> None:
        self.clock.advance(seconds)
        said = self.client.advance(seconds)
        if said.change == EXPIRED:
            self.granted = {}
        if said.due:
            said = self.client.write()
            assert said.to is not None
            self.asked_s = self.clock.time_s
            source = said.address or IPv4Address(0)
            self.lan.send(Datagram(source, 68, said.to, 67, said.sent))
            self.clock.advance(0.01)
            self.client.advance(0.01)

    @rule(seconds=st.sampled_from([0.05, 0.5, 1.0, 4.0, 30.0, 250.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.step(seconds)

    @rule()
    def everything_arrives(self) -> None:
        waiting, self.inbox = self.inbox, []
        for data in waiting:
            self.deliver(data)

    @precondition(lambda self: self.inbox)
    @rule(again=st.booleans())
    def the_last_arrives_first(self, again: bool) -> None:
        data = self.inbox.pop()
        self.deliver(data)
        if again:
            self.deliver(data)

    @precondition(lambda self: self.inbox)
    @rule()
    def one_is_lost(self) -> None:
        self.inbox.pop(0)

    @precondition(lambda self: self.inbox)
    @rule(mangle=mangled())
    def one_is_mangled(self, mangle: Callable[[bytes], bytes]) -> None:
        data = self.inbox.pop(0)
        if data[4:8] != mangle(data)[4:8]:
            self.deliver(mangle(data))

    @rule(silent=st.booleans())
    def the_server_falls_silent_or_wakes(self, silent: bool) -> None:
        self.server.silent = silent

    @rule(refuse=st.booleans())
    def the_server_refuses_or_not(self, refuse: bool) -> None:
        self.server.refuse = refuse

    @rule()
    def the_server_gives_out_other_addresses(self) -> None:
        self.server.pool = (self.server.pool[-1], OFFERED + 9)

    @rule()
    def the_server_forgets(self) -> None:
        self.server.bindings.clear()

    @rule()
    def the_cable_is_out_for_a_moment(self) -> None:
        self.inbox.clear()
        self.client.reconnect()

    @invariant()
    def an_address_is_one_that_was_leased_and_still_is(self) -> None:
        address = self.client.status.address
        if address is None:
            assert not self.granted
        else:
            assert self.client.status.state in {"bound", "renewing", "rebinding"}
            assert self.clock.time_s < self.granted[address] + 0.02

    def teardown(self) -> None:
        """Whatever happened: with a server that answers, there is an address within two minutes of its asking."""
        self.server.silent = self.server.refuse = False
        self.inbox.clear()
        deadline_s = self.clock.time_s + 300
        while self.client.status.state != "bound":
            assert self.clock.time_s < deadline_s, self.client.status
            self.step(0.5)
            self.everything_arrives()


def test_whatever_a_network_does_an_address_is_a_leased_one_and_the_client_recovers(ask: Ask) -> None:
    machine = type("Machine", (LeaseMachine,), {"ask": staticmethod(ask)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
