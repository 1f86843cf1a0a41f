"""A DHCP server on the emulated network, with the faults that servers have.

Ref: RFC 2131 sections 2 (format), 4.1 and 4.3 (server); RFC 2132 (options). Modelled: DISCOVER, REQUEST of every
state, RELEASE, one pool, leases that expire. What it does not understand, it drops, as servers do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

from plantkeeper_sim.lan import BROADCAST, Datagram, Lan
from plantkeeper_sim.wires import Clock

SERVER_PORT, CLIENT_PORT = 67, 68
OPTIONS_AT, COOKIE = 240, bytes([99, 130, 83, 99])
BROADCAST_FLAG = 0x8000
FOR_EVER_S = 0xFFFFFFFF
ANY = IPv4Address(0)
MASK, ROUTER, REQUESTED, LEASE, TYPE, SERVER, RENEWAL, REBINDING = 1, 3, 50, 51, 53, 54, 58, 59
PAD, END = 0, 255
ADDRESS, MASK_24 = IPv4Address("192.0.2.1"), IPv4Address("255.255.255.0")
POOL = tuple(IPv4Address("192.0.2.100") + n for n in range(20))


class Message(IntEnum):
    """DHCP message types (RFC 2132 section 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True)
class Query:
    """What a client sent."""

    xid: bytes
    flags: int
    ciaddr: IPv4Address
    giaddr: bytes
    chaddr: bytes  # 16 bytes
    options: dict[int, bytes]

    @property
    def message(self) -> int:
        """Its type."""
        return self.options[TYPE][0]

    @property
    def mac(self) -> bytes:
        """The client."""
        return self.chaddr[:6]

    def address(self, code: int) -> IPv4Address | None:
        """An option that is an address."""
        value = self.options.get(code)
        return None if value is None else IPv4Address(value)


def parse(data: bytes) -> Query | None:
    """Read a client's datagram; None where it is none, or malformed."""
    if len(data) <= OPTIONS_AT or data[:3] != b"\x01\x01\x06" or data[236:OPTIONS_AT] != COOKIE:
        return None
    options: dict[int, bytes] = {}
    at = OPTIONS_AT
    while at < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            return None
        options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    if at >= len(data) or len(options.get(TYPE, b"")) != 1:
        return None
    if any(len(options[code]) != 4 for code in (REQUESTED, SERVER) if code in options):
        return None
    flags = int.from_bytes(data[10:12], "big")
    return Query(data[4:8], flags, IPv4Address(data[12:16]), data[24:28], data[28:44], options)


def compose(query: Query, message: int, options: dict[int, bytes], *, yiaddr: IPv4Address = ANY) -> bytes:
    """The answer to a query."""
    fixed = b"\x02\x01\x06\x00" + query.xid + bytes(2) + query.flags.to_bytes(2, "big")
    fixed += (query.ciaddr if message == Message.ACK else ANY).packed + yiaddr.packed + bytes(4) + query.giaddr
    fixed += query.chaddr + bytes(192) + COOKIE
    more = {TYPE: bytes([message]), **options}
    return fixed + b"".join(bytes([code, len(value)]) + value for code, value in more.items()) + bytes([END])


@dataclass
class Binding:
    """An address that a client has, or had."""

    address: IPv4Address
    until_cycles: float


@dataclass
class DhcpServer:
    """The server.

    Args:
        clock: virtual time.
        lan: where it is attached.
        address: its own; also the router.
        pool: what it gives out, in this order.
        lease_s: for how long; `FOR_EVER_S` for ever.
        renewal_s, rebinding_s: T1 and T2; None leaves them to the client.
        authoritative: NAK to a renewal that it knows nothing of; else it stays silent.
        silent: says nothing, though it hears.
        refuse: answers every REQUEST with NAK.
        delay_s: by which its answers are late.
        mangle: what becomes of its answers on the way; None loses one.
    """

    clock: Clock
    lan: Lan
    address: IPv4Address = ADDRESS
    mask: IPv4Address = MASK_24
    pool: Sequence[IPv4Address] = POOL
    lease_s: int = 86_400
    renewal_s: int | None = None
    rebinding_s: int | None = None
    authoritative: bool = True
    silent: bool = False
    refuse: bool = False
    delay_s: float = 0.0
    mangle: Callable[[bytes], bytes | None] = bytes
    bindings: dict[bytes, Binding] = field(default_factory=dict)
    history: list[tuple[int, int, IPv4Address | None]] = field(default_factory=list)  # cycles, message, address

    def __post_init__(self) -> None:
        self.lan.attach(self)

    def heard(self, message: Message) -> list[int]:
        """When a kind of message came from or went to clients, in cycles."""
        return [cycles for cycles, kind, _ in self.history if kind == message]

    def holds(self, address: IPv4Address) -> bool:
        """Whether a lease of an address runs."""
        return any(b.address == address and b.until_cycles > self.clock.cycles for b in self.bindings.values())

    def receive(self, datagram: Datagram) -> None:
        """A datagram of a client."""
        query = parse(datagram.payload)
        if datagram.destination_port != SERVER_PORT or query is None:
            return
        self._note(query.message, query.address(REQUESTED) or query.ciaddr)
        if self.silent:
            return
        if query.message == Message.DISCOVER:
            self._offer(query)
        elif query.message == Message.REQUEST:
            self._decide(query)
        elif query.message == Message.RELEASE:
            self.bindings.pop(query.mac, None)

    def _offer(self, query: Query) -> None:
        address = self._address_for(query.mac)
        if address is not None:
            self._answer(query, Message.OFFER, address)

    def _decide(self, query: Query) -> None:
        """Section 4.3.2: by the fields, a REQUEST is of SELECTING, INIT-REBOOT, RENEWING or REBINDING."""
        chosen, requested = query.address(SERVER), query.address(REQUESTED)
        if chosen is not None and chosen != self.address:
            return
        wanted = requested or query.ciaddr
        known = self.bindings.get(query.mac)
        right = chosen is not None or (known is not None and known.address == wanted)
        if self.refuse or wanted not in self.pool or self._taken(wanted, query.mac):
            self._answer(query, Message.NAK, None)
        elif right:
            lasts_s = float("inf") if self.lease_s == FOR_EVER_S else self.lease_s
            self.bindings[query.mac] = Binding(wanted, self.clock.cycles + lasts_s * self.clock.clock_hz)
            self._answer(query, Message.ACK, wanted)
        elif self.authoritative:
            self._answer(query, Message.NAK, None)

    def _address_for(self, mac: bytes) -> IPv4Address | None:
        """The client's own again, if it can have it, else the first that nobody has."""
        known = self.bindings.get(mac)
        wishes = [*([known.address] if known else []), *self.pool]
        return next((a for a in wishes if a in self.pool and not self._taken(a, mac)), None)

    def _taken(self, address: IPv4Address, mac: bytes) -> bool:
        now = self.clock.cycles
        return any(m != mac and b.address == address and b.until_cycles > now for m, b in self.bindings.items())

    def _answer(self, query: Query, message: Message, address: IPv4Address | None) -> None:
        options = {SERVER: self.address.packed}
        if address is not None:
            options |= {MASK: self.mask.packed, ROUTER: self.address.packed, LEASE: self.lease_s.to_bytes(4, "big")}
            times = ((RENEWAL, self.renewal_s), (REBINDING, self.rebinding_s))
            options |= {code: seconds.to_bytes(4, "big") for code, seconds in times if seconds is not None}
        payload = self.mangle(compose(query, message, options, yiaddr=address or ANY))
        self._note(message, address)
        if payload is None:
            return
        broadcast = message == Message.NAK or query.ciaddr == ANY or bool(query.flags & BROADCAST_FLAG)
        to = BROADCAST if broadcast else query.ciaddr
        self.lan.answer(Datagram(self.address, SERVER_PORT, to, CLIENT_PORT, payload), after_s=self.delay_s)

    def _note(self, message: int, address: IPv4Address | None) -> None:
        self.history.append((self.clock.cycles, message, address))
