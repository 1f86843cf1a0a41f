"""One socket of the W5500: registers, TCP client states, UDP, transmit and receive ring buffers, timeouts.

Ref: WIZnet W5500 data sheet v1.1.0, sections 3.2 (register map) and 4.2 (socket registers); section 4.1 for the
formulas of ARP and TCP timeouts (RTR, RCR).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.net import Connection, Network
from plantkeeper_sim.parts.w5500_udp import Chip as UdpChip
from plantkeeper_sim.parts.w5500_udp import UdpPort
from plantkeeper_sim.wires import Cancellable, Clock

# Registers (section 3.2)
MR, CR, IR, SR, PORT, DHAR, DIPR, DPORT, MSSR = 0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x10, 0x12
TOS, TTL, RXBUF_SIZE, TXBUF_SIZE = 0x15, 0x16, 0x1E, 0x1F
TX_FSR, TX_RD, TX_WR, RX_RSR, RX_RD, RX_WR = 0x20, 0x22, 0x24, 0x26, 0x28, 0x2A
IMR, FRAG, KPALVTR = 0x2C, 0x2D, 0x2F
LAST = KPALVTR
RESERVED = {0x14, *range(0x17, 0x1E)}
READ_ONLY = {SR, *range(TX_FSR, TX_WR), *range(RX_RSR, RX_RD), *range(RX_WR, IMR)}
# Commands (Sn_CR)
OPEN, CONNECT, DISCON, CLOSE, SEND, RECV = 0x01, 0x04, 0x08, 0x10, 0x20, 0x40
# Interrupts (Sn_IR)
SEND_OK, TIMEOUT, RECEIVED, DISCONNECTED, CONNECTED = 0x10, 0x08, 0x04, 0x02, 0x01
# States (Sn_SR)
SOCK_CLOSED, SOCK_INIT, SOCK_SYNSENT, SOCK_ESTABLISHED = 0x00, 0x13, 0x15, 0x17
SOCK_FIN_WAIT, SOCK_CLOSE_WAIT, SOCK_LAST_ACK, SOCK_UDP = 0x18, 0x1C, 0x1D, 0x22
TCP, UDP = 0x01, 0x02
BUFFER_SIZES_KB = (0, 1, 2, 4, 8, 16)
RTR_MAX = 0xFFFF


class Chip(UdpChip, Protocol):
    """What a socket needs of its chip, in either mode."""

    network: Network

    @property
    def clock(self) -> Clock:
        """Virtual time."""

    @property
    def random(self) -> Random:
        """Seeded."""

    @property
    def retry_time_s(self) -> float:
        """RTR in seconds."""

    @property
    def retry_count(self) -> int:
        """RCR."""


def arp_timeout_s(retry_time_s: float, retry_count: int) -> float:
    """Seconds until the chip gives up on an address that does not answer ARP (section 4.1, RCR)."""
    return retry_time_s * (retry_count + 1)


def tcp_timeout_s(retry_time_s: float, retry_count: int) -> float:
    """Seconds until the chip gives up on a segment: the interval doubles until it would pass 16 bits (4.1, RCR)."""
    interval = round(retry_time_s * 1e4)
    total = 0
    for _ in range(retry_count + 1):
        total += interval
        if interval * 2 <= RTR_MAX:
            interval *= 2
    return total * 1e-4


class Socket:
    """Socket `number` of a chip, in TCP or UDP mode. It is the `net.Endpoint` of its connection."""

    def __init__(self, chip: Chip, number: int) -> None:
        self._chip = chip
        self.number = number
        self._connection: Connection | None = None
        self._udp: UdpPort | None = None
        self._timeout: Cancellable | None = None
        self._registers = bytearray(LAST + 1)
        self._state = SOCK_CLOSED
        self.interrupts = 0
        self.history: list[tuple[int, int]] = []  # (cycles, state)
        self._tx_read = self._sent_up_to = self._rx_read = self._rx_write = 0
        self._unsent: list[bytes] = []  # segments that wait for the link
        self._missed: list[Callable[[], None]] = []  # what the peer sent while the link was down
        self.power_up()

    def power_up(self) -> None:
        """Reset values (section 4.2)."""
        self._drop_connection()
        self._registers[:] = bytes(len(self._registers))
        self._registers[DHAR : DHAR + 6] = b"\xff" * 6
        self._registers[TTL], self._registers[IMR], self._registers[FRAG] = 0x80, 0xFF, 0x40
        self._registers[RXBUF_SIZE] = self._registers[TXBUF_SIZE] = 2
        self._tx, self._rx = bytearray(2048), bytearray(2048)
        self._tx_read = self._sent_up_to = self._rx_read = self._rx_write = 0
        self.interrupts = 0
        self._enter(SOCK_CLOSED)

    @property
    def state(self) -> int:
        """Sn_SR."""
        return self._state

    def _enter(self, state: int) -> None:
        if state != self._state:
            self.history.append((self._chip.clock.cycles, state))
        self._state = state

    # ---- registers ---------------------------------------------------------------------------------------

    def read_register(self, address: int) -> int:
        """A byte of the socket's register block."""
        self._check(address, "read of")
        if address == IR:
            return self.interrupts
        if address == SR:
            return self._state
        if address == CR:
            return 0  # every command is taken at once
        base = address & ~1
        if base in {TX_FSR, RX_RSR, TX_RD, RX_WR}:
            value = self._computed(base)
            return value & 0xFF if address & 1 else value >> 8
        return self._registers[address]

    def _computed(self, base: int) -> int:
        if base == TX_FSR:
            return len(self._tx) - self._in_flight()
        if base == TX_RD:
            return self._tx_read
        if base == RX_RSR:
            return (self._rx_write - self._rx_read) & 0xFFFF
        return self._rx_write

    def write_register(self, address: int, value: int) -> None:
        """Set a byte of the socket's register block."""
        self._check(address, f"write of 0x{value:02X} to")
        if address in READ_ONLY:
            raise self._error(f"write of 0x{value:02X} to read-only register 0x{address:04X}")
        if address == CR:
            self._command(value)
        elif address == IR:
            self.interrupts &= ~value & 0xFF
        elif address in {RXBUF_SIZE, TXBUF_SIZE}:
            self._resize(address, value)
        else:
            self._registers[address] = value

    def _resize(self, address: int, kilobytes: int) -> None:
        if kilobytes not in BUFFER_SIZES_KB:
            raise self._error(f"buffer size of {kilobytes} KB; the chip has 0, 1, 2, 4, 8 and 16 KB")
        self._registers[address] = kilobytes
        if address == TXBUF_SIZE:
            self._tx = bytearray(kilobytes * 1024)
        else:
            self._rx = bytearray(kilobytes * 1024)

    def _check(self, address: int, what: str) -> None:
        if address > LAST or address in RESERVED:
            raise self._error(f"{what} register 0x{address:04X}, which is reserved (section 3.2)")

    def _error(self, what: str) -> PartError:
        return PartError(f"W5500 socket {self.number}: {what}")

    def _word(self, address: int) -> int:
        return self._registers[address] << 8 | self._registers[address + 1]

    def _set_word(self, address: int, value: int) -> None:
        self._registers[address], self._registers[address + 1] = value >> 8 & 0xFF, value & 0xFF

    # ---- ring buffers: an address wraps at the buffer's size (section 2.2.1) --------------------------------

    def read_tx(self, address: int) -> int:
        """A byte of the transmit buffer."""
        return self._tx[address % len(self._tx)]

    def write_tx(self, address: int, value: int) -> None:
        """Put a byte into the transmit buffer."""
        self._tx[address % len(self._tx)] = value

    def read_rx(self, address: int) -> int:
        """A byte of the receive buffer."""
        return self._rx[address % len(self._rx)]

    def _in_flight(self) -> int:
        return (self._sent_up_to - self._tx_read) & 0xFFFF

    # ---- commands (section 4.2, Sn_CR) ---------------------------------------------------------------------

    def _command(self, command: int) -> None:
        actions: dict[int, Callable[[], None]] = {
            OPEN: self._open,
            CONNECT: self._connect,
            DISCON: self._disconnect,
            CLOSE: self._close,
            SEND: self._send,
            RECV: self._receive,
        }
        action = actions.get(command)
        if action is None:
            raise self._error(
                f"command 0x{command:02X} is not modelled; there are OPEN, CONNECT, DISCON, CLOSE, SEND, RECV"
            )
        action()

    def _open(self) -> None:
        mode = self._registers[MR]
        if mode & 0x0F != TCP and mode != UDP:
            raise self._error(f"OPEN with Sn_MR 0x{mode:02X}: only TCP (0x01) and plain UDP (0x02) are modelled")
        self._drop_connection()
        self._start_rings()
        if mode == UDP:
            self._udp = UdpPort(self._chip, self._word(PORT), self._take_datagram)
            self._enter(SOCK_UDP)
        else:
            self._enter(SOCK_INIT)

    def _start_rings(self) -> None:
        self._tx_read = self._sent_up_to = self._chip.random.randrange(0x10000)
        self._rx_read = self._rx_write = self._chip.random.randrange(0x10000)
        self._set_word(TX_WR, self._tx_read)
        self._set_word(RX_RD, self._rx_read)

    def _connect(self) -> None:
        if self._state != SOCK_INIT:
            raise self._error(f"CONNECT in state 0x{self._state:02X}; it needs SOCK_INIT (0x13)")
        address = IPv4Address(bytes(self._registers[DIPR : DIPR + 4]))
        self._enter(SOCK_SYNSENT)
        if self._chip.link_up:
            source = self._chip.own_address
            self._connection = self._chip.network.connect(address, self._word(DPORT), self, source=source)
        else:
            self._connection = None
        formula = arp_timeout_s if self._connection is None and self._chip.is_local(address) else tcp_timeout_s
        self._arm_timeout(formula(self._chip.retry_time_s, self._chip.retry_count))

    def _disconnect(self) -> None:
        if self._state == SOCK_ESTABLISHED:
            self._enter(SOCK_FIN_WAIT)
        elif self._state == SOCK_CLOSE_WAIT:
            self._enter(SOCK_LAST_ACK)
        else:
            return
        self._arm_tcp_timeout()
        if self._connection is not None and self._chip.link_up:
            self._connection.finish()

    def _close(self) -> None:
        self._drop_connection()
        self._enter(SOCK_CLOSED)

    def _send(self) -> None:
        if self._state not in {SOCK_ESTABLISHED, SOCK_CLOSE_WAIT, SOCK_UDP}:
            raise self._error(
                f"SEND in state 0x{self._state:02X}; it needs SOCK_ESTABLISHED, SOCK_CLOSE_WAIT or SOCK_UDP"
            )
        end = self._word(TX_WR)
        length = (end - self._sent_up_to) & 0xFFFF
        free = len(self._tx) - self._in_flight()
        if length > free:
            raise self._error(f"SEND of {length} bytes with {free} free overwrites what is not acknowledged yet")
        data = bytes(self._tx[(self._sent_up_to + i) % len(self._tx)] for i in range(length))
        self._sent_up_to = end
        if self._udp is not None:
            self._send_datagram(self._udp, data)
            return
        self._arm_tcp_timeout()
        if self._chip.link_up and self._connection is not None:
            self._connection.send(data)
        else:
            self._unsent.append(data)

    def _send_datagram(self, udp: UdpPort, data: bytes) -> None:
        """It leaves the buffer at once; an address that nobody answers for times out as ARP does."""
        address = IPv4Address(bytes(self._registers[DIPR : DIPR + 4]))
        if udp.send(address, self._word(DPORT), data):
            self._tx_read = self._sent_up_to
            self.interrupts |= SEND_OK
        else:
            self._arm_timeout(arp_timeout_s(self._chip.retry_time_s, self._chip.retry_count))

    def _take_datagram(self, data: bytes) -> None:
        """Into the receive buffer, whole or not at all."""
        if len(data) > len(self._rx) - ((self._rx_write - self._rx_read) & 0xFFFF):
            return
        self._put_received(data)

    def _receive(self) -> None:
        """RECV: the program has read up to Sn_RX_RD; the window opens by that."""
        read_to = self._word(RX_RD)
        if (read_to - self._rx_read) & 0xFFFF > (self._rx_write - self._rx_read) & 0xFFFF:
            raise self._error(f"RECV with Sn_RX_RD 0x{read_to:04X} beyond what was received (0x{self._rx_write:04X})")
        self._rx_read = read_to
        self._fill()

    # ---- timeouts ------------------------------------------------------------------------------------------

    def _arm_tcp_timeout(self) -> None:
        self._arm_timeout(tcp_timeout_s(self._chip.retry_time_s, self._chip.retry_count))

    def _arm_timeout(self, seconds: float) -> None:
        self._disarm_timeout()
        self._timeout = self._chip.clock.call_in(seconds, self._timed_out)

    def _disarm_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _timed_out(self) -> None:
        self._timeout = None
        self.interrupts |= TIMEOUT
        if self._udp is None:
            self._close()
        else:
            self._tx_read = self._sent_up_to

    def _drop_connection(self) -> None:
        self._disarm_timeout()
        self._unsent.clear()
        self._missed.clear()
        self._tx_read = self._sent_up_to
        udp, self._udp = self._udp, None
        if udp is not None:
            udp.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def link_is_back(self) -> None:
        """The cable was plugged in: what waits is retransmitted, what the peer sent comes in."""
        if self._connection is None:
            return
        waiting, missed = self._unsent[:], self._missed[:]
        self._unsent.clear()
        self._missed.clear()
        for data in waiting:
            self._connection.send(data)
        if self._state in {SOCK_FIN_WAIT, SOCK_LAST_ACK}:
            self._connection.finish()
        for heard in missed:
            heard()
        self._fill()

    def _hear(self, action: Callable[[], None]) -> None:
        """Act on a segment of the peer, now or when the link is back."""
        if self._chip.link_up:
            action()
        else:
            self._missed.append(action)

    # ---- what the network tells (net.Endpoint) ---------------------------------------------------------------

    def connected(self) -> None:
        """SYN/ACK came."""
        self._hear(self._on_connected)

    def refused(self) -> None:
        """RST in answer to the SYN."""
        self._hear(self._on_reset)

    def acknowledged(self) -> None:
        """ACK for all that was sent."""
        self._hear(self._on_acknowledged)

    def received(self) -> None:
        """Bytes wait at the peer's end."""
        self._fill()

    def finished(self) -> None:
        """FIN came."""
        self._hear(self._on_finished)

    def reset(self) -> None:
        """RST came."""
        self._hear(self._on_reset)

    def _on_connected(self) -> None:
        self.interrupts |= CONNECTED
        self._disarm_timeout()
        self._enter(SOCK_ESTABLISHED)

    def _on_acknowledged(self) -> None:
        if self._state in {SOCK_ESTABLISHED, SOCK_CLOSE_WAIT}:
            self._disarm_timeout()
        self._tx_read = self._sent_up_to
        self.interrupts |= SEND_OK

    def _on_finished(self) -> None:
        self.interrupts |= DISCONNECTED
        if self._state == SOCK_ESTABLISHED:
            self._enter(SOCK_CLOSE_WAIT)
        else:
            self._close()

    def _on_reset(self) -> None:
        if self._state != SOCK_SYNSENT:
            self.interrupts |= DISCONNECTED
        self._close()

    def _fill(self) -> None:
        """Take what fits into the receive buffer: the TCP window."""
        if self._connection is None or not self._chip.link_up:
            return
        room = len(self._rx) - ((self._rx_write - self._rx_read) & 0xFFFF)
        data = self._connection.read(room)
        if data:
            self._put_received(data)

    def _put_received(self, data: bytes) -> None:
        for byte in data:
            self._rx[self._rx_write % len(self._rx)] = byte
            self._rx_write = (self._rx_write + 1) & 0xFFFF
        self.interrupts |= RECEIVED
