"""Emulated boards to measure a firmware on: each with a far end that takes every POST, or misbehaves on demand."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from plantkeeper_hil.firmware.serial_host import HostFault, SerialHost
from plantkeeper_sim.avr import Firmware
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.net import Fault
from plantkeeper_sim.provision import KEY_BYTES, BoardConfig

SEED = 1
LEASE_S = 60  # the shortest that a board takes: it renews every half minute
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
NETWORK_FAULTS = (
    Fault(),
    Fault(refuse=True),
    Fault(trickle_bytes=1),
    Fault(answer_limit=20),
    Fault(unreachable=True),
)


class Rig(Protocol):
    """A board and what it posts to. A context manager."""

    board: UnoBoard

    def misbehave(self) -> None:
        """From now on every connection has another fault, one kind after the other."""

    def behave(self) -> None:
        """No more faults; what was unplugged is plugged in."""

    def unplug(self) -> None:
        """Nobody is there."""

    def __enter__(self) -> Self:
        """The rig itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go of the board."""


def config(*, signed: bool, period_s: int, leased: bool, deep_sleep: bool) -> BoardConfig:
    """How a board on a rig is configured."""
    key = bytes(range(KEY_BYTES))
    return BoardConfig(7, key_number=int(signed), key=key, period_s=period_s, dhcp=leased, deep_sleep=deep_sleep)


class EthernetRig:
    """A board with a W5500, and a gateway behind its emulated network."""

    def __init__(
        self, firmware: Firmware, *, signed: bool, period_s: int, leased: bool = False, deep_sleep: bool = False
    ) -> None:
        settings = config(signed=signed, period_s=period_s, leased=leased, deep_sleep=deep_sleep)
        self.board = UnoBoard(firmware, settings, seed=SEED, patience_s=1)
        self.board.dhcp_server.lease_s = LEASE_S
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Gateway)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        host, port = self._server.server_address[:2]
        where = self.board.config
        self.board.network.map(str(where.gateway), where.gateway_port, to=(str(host), int(port)))
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.board.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def misbehave(self) -> None:
        """See `Rig`."""
        self.board.network.fault_of = lambda index: NETWORK_FAULTS[index % len(NETWORK_FAULTS)]

    def behave(self) -> None:
        """See `Rig`."""
        self.board.network.fault_of = lambda _index: Fault()
        self.board.w5500.link_up = True

    def unplug(self) -> None:
        """See `Rig`."""
        self.board.w5500.link_up = False


class SerialRig:
    """A board without a network, and a host at its serial line."""

    def __init__(
        self, firmware: Firmware, *, signed: bool, period_s: int, leased: bool = False, deep_sleep: bool = False
    ) -> None:
        settings = config(signed=signed, period_s=period_s, leased=leased, deep_sleep=deep_sleep)
        self.board: UnoBoard = _FramingUno(firmware, settings, seed=SEED)
        self.host = SerialHost(self.board.mcu, ANSWER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.board.close()

    def misbehave(self) -> None:
        """See `Rig`."""
        faults = list(HostFault)
        self.host.fault_of = lambda index: faults[index % len(faults)]

    def behave(self) -> None:
        """See `Rig`."""
        self.host.fault_of = lambda _index: HostFault.NONE

    def unplug(self) -> None:
        """See `Rig`."""
        self.host.fault_of = lambda _index: HostFault.SILENT


class _FramingUno(UnoBoard):
    """Frames stand between its lines, so what ends with a line feed need not be a line."""

    def _on_line(self, line: bytes, cycles: int) -> None:
        pass


class _Gateway(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        self.wfile.write(ANSWER)


RIGS: Mapping[str, Callable[..., Rig]] = {"uno": EthernetRig, "uno_serial": SerialRig}  # by environment
