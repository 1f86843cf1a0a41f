"""W5500 Ethernet controller on SPI: frames, common registers, eight sockets, each a TCP client or UDP.

Ref: WIZnet W5500 data sheet v1.1.0, sections 2 (SPI operations), 3 (register map), 4 (register descriptions).
Modelled: everything that a TCP client needs, and UDP. MACRAW, LISTEN, wake on LAN, PPPoE, fixed-length data mode
and a register that the data sheet reserves raise PartError, naming the register and the remedy.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.lan import Lan
from plantkeeper_sim.net import Network
from plantkeeper_sim.parts.w5500_socket import Socket
from plantkeeper_sim.wires import Clock, Wire

SOCKETS = 8
# Common registers (section 4.1)
MR, GAR, SUBR, SHAR, SIPR, IR, IMR, SIR, SIMR = 0x00, 0x01, 0x05, 0x09, 0x0F, 0x15, 0x16, 0x17, 0x18
RTR, RCR, PTIMER, PMRU, PHYCFGR, VERSIONR = 0x19, 0x1B, 0x1C, 0x26, 0x2E, 0x39
LAST_COMMON = VERSIONR
RESERVED_COMMON = range(0x2F, 0x39)
MR_RST = 0x80
VERSION = 0x04
PHY_UP, PHY_DOWN = (
    0xBF,
    0xB8,
)  # PHYCFGR: no reset, all capable; full duplex, 100 Mbit/s and link, or none of them
RTR_RESET, RCR_RESET = 2000, 8
READ_ONLY_COMMON = {SIR, VERSIONR, *range(0x28, 0x2E)}
MISO_IDLE = 0xFF


class W5500:
    """The controller.

    Args:
        clock: virtual time.
        select: chip select wire, low selects.
        network: what its sockets reach.
        random: seeded; chooses the ring buffers' first addresses, which the chip leaves open (section 4.2, Sn_TX_RD).
    """

    def __init__(self, clock: Clock, select: Wire, network: Network, *, random: Random) -> None:
        self._clock = clock
        self.network = network
        self._random = random
        self._link_up = True
        self.sockets = [Socket(self, number) for number in range(SOCKETS)]
        self.resets = 0
        self._selected = False
        self._phase = 0
        self._address = 0
        self._control = 0
        self._registers = bytearray(LAST_COMMON + 1)
        self.reset()
        select.watch(self._on_select)

    @property
    def clock(self) -> Clock:
        """Virtual time."""
        return self._clock

    @property
    def random(self) -> Random:
        """Seeded source of what the data sheet leaves open."""
        return self._random

    @property
    def link_up(self) -> bool:
        """State of the cable."""
        return self._link_up

    @link_up.setter
    def link_up(self, up: bool) -> None:
        self._link_up = up
        if up:
            for tcp in self.sockets:
                tcp.link_is_back()

    @property
    def retry_time_s(self) -> float:
        """First retransmission timeout (RTR, units of 100 µs)."""
        return int.from_bytes(self._registers[RTR : RTR + 2], "big") * 1e-4

    @property
    def retry_count(self) -> int:
        """Retransmissions before a timeout (RCR)."""
        return self._registers[RCR]

    @property
    def lan(self) -> Lan:
        """The network that it hangs on."""
        return self.network.lan

    @property
    def own_address(self) -> IPv4Address:
        """SIPR."""
        return IPv4Address(bytes(self._registers[SIPR : SIPR + 4]))

    def is_local(self, address: IPv4Address) -> bool:
        """Whether an address is on the chip's own subnet."""
        mask = int.from_bytes(self._registers[SUBR : SUBR + 4], "big")
        return int(self.own_address) & mask == int(address) & mask

    def reset(self) -> None:
        """As the reset pin or MR.RST does: registers to their reset values, sockets closed."""
        self.resets += 1
        self._registers[:] = bytes(len(self._registers))
        self._registers[RTR : RTR + 2] = RTR_RESET.to_bytes(2, "big")
        self._registers[RCR], self._registers[PTIMER] = RCR_RESET, 0x28
        self._registers[PMRU : PMRU + 2] = b"\xff\xff"
        self._registers[VERSIONR] = VERSION
        for tcp in self.sockets:
            tcp.power_up()

    # ---- SPI (section 2.2: address phase, control phase, data phase) -------------------------------------

    def _on_select(self, level: bool, _cycles: int) -> None:  # noqa: FBT001 - a logic level
        if self._selected and level and self._phase in {1, 2}:
            raise PartError("W5500: chip select rose in the middle of a frame's three header bytes")
        self._selected = not level
        self._phase = 0

    def transfer(self, mosi: int) -> int:
        """One byte each way."""
        if not self._selected:
            return MISO_IDLE
        if self._phase == 3:
            address = self._address
            self._address = (address + 1) & 0xFFFF
            if self._control & 0x04:
                self._write(address, mosi)
                return MISO_IDLE
            return self._read(address)
        if self._phase == 0:
            self._address = mosi << 8
        elif self._phase == 1:
            self._address |= mosi
        else:
            if mosi & 0x03:
                raise PartError(f"W5500: control byte 0x{mosi:02X} asks for fixed-length mode, which is not modelled")
            self._control = mosi
        self._phase += 1
        return MISO_IDLE

    def _read(self, address: int) -> int:
        block = self._control >> 3
        if block == 0:
            return self._read_common(address)
        tcp, kind = self.sockets[block >> 2], block & 3
        if kind == 1:
            return tcp.read_register(address)
        if kind == 2:
            return tcp.read_tx(address)
        if kind == 3:
            return tcp.read_rx(address)
        raise PartError(f"W5500: block {block:#07b} is reserved (section 2.2.2)")

    def _write(self, address: int, value: int) -> None:
        block = self._control >> 3
        if block == 0:
            self._write_common(address, value)
            return
        tcp, kind = self.sockets[block >> 2], block & 3
        if kind == 1:
            tcp.write_register(address, value)
        elif kind == 2:
            tcp.write_tx(address, value)
        elif kind == 3:
            raise PartError(f"W5500: write to the receive buffer of socket {block >> 2}")
        else:
            raise PartError(f"W5500: block {block:#07b} is reserved (section 2.2.2)")

    def _read_common(self, address: int) -> int:
        self._check_common(address, "read of")
        if address == PHYCFGR:
            return PHY_UP if self._link_up else PHY_DOWN
        if address == SIR:
            return sum(1 << tcp.number for tcp in self.sockets if tcp.interrupts)
        return self._registers[address]

    def _write_common(self, address: int, value: int) -> None:
        self._check_common(address, f"write of 0x{value:02X} to")
        if address in READ_ONLY_COMMON:
            raise PartError(f"W5500: write of 0x{value:02X} to read-only common register 0x{address:04X}")
        if address == MR:
            if value & MR_RST:
                self.reset()
            elif value:
                raise PartError(f"W5500: MR 0x{value:02X}: only RST is modelled (plantkeeper_sim/parts/w5500.py)")
        elif address == IR:
            self._registers[IR] &= ~value & 0xFF
        elif address == PHYCFGR:
            raise PartError("W5500: a write of PHYCFGR is not modelled (plantkeeper_sim/parts/w5500.py)")
        else:
            self._registers[address] = value

    @staticmethod
    def _check_common(address: int, what: str) -> None:
        if address > LAST_COMMON or address in RESERVED_COMMON:
            raise PartError(f"W5500: {what} common register 0x{address:04X}, which is reserved (section 3.1)")
