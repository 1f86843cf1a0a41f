"""The Mega 2560's firmware on libsimavr's ATmega2560, our own chips on its pins: from the wires to a gateway.

Our emulator knows the ATmega328P only (docs/hil.md).
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from simavr_mcu import SimavrMcu, build

from plantkeeper_hil.firmware.build import MEGA, Toolchain, build_firmware
from plantkeeper_hil.project import find_project
from plantkeeper_sim.net import Network
from plantkeeper_sim.parts import si1145
from plantkeeper_sim.parts.dht11 import Dht11, Dht11Fault
from plantkeeper_sim.parts.i2c import I2cBus
from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.provision import EEPROM_BYTES, BoardConfig, eeprom_image
from plantkeeper_sim.wires import PulledUp

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

DATA_SPACE = 0x800000
DHT11_FAILED, SI1145_FAILED, SOIL_FAILED, W5500_FAILED = 1, 2, 4, 8
CONFIG = BoardConfig(7, period_s=8)
VOLTS, CODES = 5.0, 1024
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{"message": "stored"}'


def image_of(elf: Path) -> bytes:
    """What is flashed."""
    image = bytearray()
    with elf.open("rb") as file:
        for segment in ELFFile(file).iter_segments():
            at, content = segment["p_paddr"], segment.data()
            if segment["p_type"] == "PT_LOAD" and content and at < DATA_SPACE:
                image = image.ljust(at + len(content), b"\xff")
                image[at : at + len(content)] = content
    return bytes(image)


class Gateway(socketserver.ThreadingTCPServer):
    """Takes everything, and keeps the bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.bodies: list[dict[str, Any]] = []


class _Answer(socketserver.StreamRequestHandler):
    server: Gateway

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        self.wfile.write(ANSWER)


class Mega:
    """A Mega 2560 with the shield and the sensors, at a gateway."""

    def __init__(self, simavr: tuple[Any, Any], image: bytes, gateway: tuple[str, int]) -> None:
        eeprom = eeprom_image(CONFIG).ljust(4 * EEPROM_BYTES, b"\xff")
        self.mcu = mcu = SimavrMcu(*simavr, "atmega2560", image, eeprom)
        self.network = Network(mcu)
        self.network.map(str(CONFIG.gateway), CONFIG.gateway_port, to=gateway)
        self.w5500 = W5500(mcu, mcu.pin("PB4"), self.network, random=Random(1))
        self.dht11 = Dht11(
            mcu,
            PulledUp(mcu.pin("PE4")),
            temperature_c=lambda: 23.0,
            humidity_percent=lambda: 40.0,
            random=Random(2),
        )
        self.si1145 = si1145.Si1145(mcu, lambda: 480)
        mcu.spi_transfer = self.w5500.transfer
        mcu.twi_bus = I2cBus({si1145.ADDRESS: self.si1145})
        mcu.volts[0] = lambda: 861.5 * VOLTS / CODES
        self.led = mcu.pin("PH5")

    def says(self, seconds: float) -> list[str]:
        """The lines of that much virtual time."""
        self.mcu.run_for(seconds)
        lines = bytes(self.mcu.console).decode().split("\r\n")
        self.mcu.console.clear()
        return [line for line in lines if line]

    def reply(self, command: str) -> str:
        """The reply to a command."""
        self.mcu.feed(command.encode() + b"\n")
        return "".join(line for line in self.says(6) if not line.startswith("!"))


@pytest.fixture(scope="module")
def mega_image(pytestconfig: pytest.Config) -> bytes:
    project = find_project(pytestconfig.rootpath)
    return image_of(build_firmware(project, environment=MEGA, toolchain=Toolchain.SYSTEM).elf)


@pytest.fixture(scope="module")
def simavr(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return build(tmp_path_factory.mktemp("simavr"))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mega(mega_image: bytes, simavr: tuple[Any, Any], gateway: Gateway) -> Iterator[Mega]:
    host, port = gateway.server_address[:2]
    board = Mega(simavr, mega_image, (str(host), int(port)))
    yield board
    board.network.close()


def test_its_readings_reach_the_gateway(mega: Mega, gateway: Gateway) -> None:
    lines = mega.says(63)
    assert lines[0].startswith("!boot id=7 boot=1 waiting=0 cause=0x01 fw=")
    taken, delivered = ([line for line in lines if line.startswith(f"!{name} ")] for name in ("taken", "delivered"))
    assert len(taken) == len(delivered) == 8
    assert taken[0] == "!taken key=1-1 temperature=23 humidity=50 light=1000"
    assert gateway.bodies == [{"id": 7, "temperature": 23, "humidity": 50, "light": 1000}] * 8
    assert not mega.led.level


def test_it_finds_its_chips_and_misses_each(mega: Mega) -> None:
    assert mega.says(1)[1:] == []
    assert mega.reply("*IDN?").startswith("PlantKeeper,mega2560,7,")
    assert mega.reply("*TST?") == "0"
    mega.dht11.fault = Dht11Fault.SILENT
    mega.mcu.twi_bus = None
    mega.mcu.volts[0] = lambda: 0.0
    mega.mcu.spi_transfer = lambda _mosi: 0xFF
    assert mega.reply("*TST?") == str(DHT11_FAILED + SI1145_FAILED + SOIL_FAILED + W5500_FAILED)


def test_what_it_stores_outlives_a_restart_by_its_watchdog(mega: Mega) -> None:
    mega.says(1)
    assert mega.reply("CONF:DEV:ID 9") == ""
    assert mega.reply("CONF:SAVE") == ""
    assert mega.reply("SYST:ERR?") == '0,"No error"'
    mega.mcu.feed(b"*RST\n")
    (boot,) = [line for line in mega.says(10) if line.startswith("!boot")]  # simavr's watchdog keeps its 8 s
    assert boot.startswith("!boot id=9 boot=2 waiting=0 cause=0x08 ")
    assert mega.reply("CONF:DEV:ID?") == "9"


def test_readings_wait_for_the_cable(mega: Mega, gateway: Gateway) -> None:
    mega.w5500.link_up = False
    lines = mega.says(20)
    assert [line for line in lines if "reason=nolink" in line]
    assert gateway.bodies == []
    mega.w5500.link_up = True
    mega.says(12)
    assert len(gateway.bodies) >= 3
