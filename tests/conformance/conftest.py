"""The firmware's ELF on the emulated board, and a gateway whose every answer the test chooses."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.firmware.size import DATA_SPACE
from plantkeeper_sim.avr import Firmware, load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import BoardConfig

COVERAGE_DIR = "PLANTKEEPER_COVERAGE_DIR"
STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"message":"stored"}'


class ScriptedGateway:
    """Answers the n-th connection with the n-th answer, later ones with the last.

    An answer is bytes; None closes without one.
    """

    def __init__(self) -> None:
        self.answers: list[bytes | None] = [STORED]
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append(self._read(connection))
                if answer is not None:
                    connection.sendall(answer)

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            data = connection.recv(4096)
            if not data:
                return request
            request += data
        head, _, body = request.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += connection.recv(4096)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)


@pytest.fixture(scope="session")
def image(firmware: BuildResult) -> Firmware:
    return load_elf(firmware.elf)


@pytest.fixture
def symbol(firmware: BuildResult) -> Callable[[str], int]:
    """Address of a variable in RAM, for what would take years by itself."""
    with firmware.elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        addresses: dict[str, int] = {entry.name: entry["st_value"] - DATA_SPACE for entry in table.iter_symbols()}

    def address_of(name: str) -> int:
        # C++ names are mangled as <length><name>, in whatever namespace
        [address] = [at for mangled, at in addresses.items() if f"{len(name)}{name}" in mangled]
        return address

    return address_of


@pytest.fixture
def scripted() -> Iterator[ScriptedGateway]:
    gateway = ScriptedGateway()
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def covered(image: Firmware, pytestconfig: pytest.Config) -> Iterator[set[int]]:
    """Addresses of instructions that ran in any test; `nox -s coverage` wants them in a file, beside their ELF."""
    addresses: set[int] = set()
    yield addresses
    if COVERAGE_DIR in os.environ:
        folder = pytestconfig.rootpath / os.environ[COVERAGE_DIR]
        (folder / "elf.json").write_text(json.dumps(sorted(addresses)))
        (folder / "firmware.elf").write_bytes(image.elf or b"")


@pytest.fixture
def new_board(image: Firmware, scripted: ScriptedGateway, covered: set[int]) -> Iterator[Callable[..., UnoBoard]]:
    boards: list[UnoBoard] = []

    def make(
        *,
        eeprom: bytes | None = None,
        device_id: int = 7,
        period_s: int = 300,
        seed: int = 1,
        key: bytes = b"",
        dhcp: bool = False,
        deep_sleep: bool = False,
    ) -> UnoBoard:
        config = BoardConfig(
            device_id,
            period_s=period_s,
            key_number=int(bool(key)),
            key=key or bytes(32),
            dhcp=dhcp,
            deep_sleep=deep_sleep,
        )
        board = UnoBoard(image, config, seed=seed, patience_s=3, eeprom=eeprom)
        if COVERAGE_DIR in os.environ:
            board.mcu.cover()
        board.network.map("192.0.2.10", 8080, to=scripted.address)
        boards.append(board)
        return board

    yield make
    for board in boards:
        board.close()
        if COVERAGE_DIR in os.environ:
            covered.update(board.mcu.covered)


@pytest.fixture
def board(new_board: Callable[..., UnoBoard]) -> UnoBoard:
    return new_board()
