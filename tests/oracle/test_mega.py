"""The Mega 2560's firmware on libsimavr's ATmega2560: that it starts, finds its pins, remembers, and restarts.

Readings are beyond simavr 1.6 (simavr_board.c), and our own emulator knows the ATmega328P only (docs/hil.md).
"""

from __future__ import annotations

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
from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.provision import EEPROM_BYTES, BoardConfig, eeprom_image

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

DATA_SPACE = 0x800000
DHT11_SILENT, SI1145_SILENT, W5500_SILENT = 1, 2, 8
SOIL_VOLTS = 4.0


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


@pytest.fixture(scope="module")
def mega_image(pytestconfig: pytest.Config) -> bytes:
    project = find_project(pytestconfig.rootpath)
    return image_of(build_firmware(project, environment=MEGA, toolchain=Toolchain.SYSTEM).elf)


class Mega:
    """The machine, and its console."""

    def __init__(self, mcu: SimavrMcu) -> None:
        self.mcu = mcu

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
def simavr(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return build(tmp_path_factory.mktemp("simavr"))


@pytest.fixture
def mega(mega_image: bytes, simavr: tuple[Any, Any]) -> Iterator[Mega]:
    eeprom = eeprom_image(BoardConfig(7)).ljust(4 * EEPROM_BYTES, b"\xff")
    mcu = SimavrMcu(*simavr, "atmega2560", mega_image, eeprom)
    network = Network(mcu)
    mcu.spi_transfer = W5500(mcu, mcu.pin("PB4"), network, random=Random(1)).transfer
    mcu.volts[0] = lambda: SOIL_VOLTS
    yield Mega(mcu)
    network.close()


def test_it_starts_with_its_configuration(mega: Mega) -> None:
    boot, *more = mega.says(1)
    assert boot.startswith("!boot id=7 boot=1 waiting=0 cause=0x01 fw=")
    assert more == []  # the W5500 answers, so nothing is missing


def test_it_finds_the_w5500_and_the_soil_probe(mega: Mega) -> None:
    mega.says(1)
    assert mega.reply("*IDN?").startswith("PlantKeeper,mega2560,7,")
    assert mega.reply("*TST?") == str(DHT11_SILENT + SI1145_SILENT)
    mega.mcu.volts[0] = lambda: 0.0
    assert mega.reply("*TST?") == str(DHT11_SILENT + SI1145_SILENT + 4)


def test_a_w5500_that_is_selected_by_another_pin_is_not_found(mega: Mega) -> None:
    mega.mcu.spi_transfer = lambda _mosi: 0xFF
    assert mega.says(1)[1:] == ["!no_w5500"]
    assert mega.reply("*TST?") == str(DHT11_SILENT + SI1145_SILENT + W5500_SILENT)


def test_what_it_stores_outlives_a_restart_by_its_watchdog(mega: Mega) -> None:
    mega.says(1)
    assert mega.reply("CONF:DEV:ID 9") == ""
    assert mega.reply("CONF:SAVE") == ""
    assert mega.reply("SYST:ERR?") == '0,"No error"'
    mega.mcu.feed(b"*RST\n")
    (boot,) = [line for line in mega.says(10) if line.startswith("!boot")]  # simavr's watchdog keeps its 8 s
    assert boot.startswith("!boot id=9 boot=2 waiting=0 cause=0x08 ")
    assert mega.reply("CONF:DEV:ID?") == "9"
