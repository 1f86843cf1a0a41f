"""A board in real time, without a process: the test moves the clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from plantkeeper_sim.avr import Firmware
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.errors import PartError
from plantkeeper_sim.paced.board import REENUMERATION_S, PacedBoard
from plantkeeper_sim.paced.port import PtyPort
from plantkeeper_sim.provision import BoardConfig

LOOP = 0xCFFF
WRITES_SPDR = [0x9A22, 0xE500, 0xBD0C, 0xBD0E, LOOP]  # sbi DDRB, 2; ldi r16, 0x50; out SPCR, r16; out SPDR, r16
NOTHING = [LOOP]


class Bench:
    """A paced board and its clock."""

    def __init__(self, words: list[int], link: Path, *, native_usb: bool = False) -> None:
        self.now_s = 0.0
        self.said: list[str] = []
        self.board = UnoBoard(Firmware.from_words(words), BoardConfig(1), seed=1, live=True)
        self.port = PtyPort(link, baud=115_200)
        self.paced = PacedBoard(
            self.board,
            self.port,
            native_usb=native_usb,
            random=Random(1),
            report=self.said.append,
            now_s=lambda: self.now_s,
        )

    def advance(self, seconds: float) -> None:
        """In ticks of 10 ms."""
        for _ in range(round(seconds * 100)):
            self.now_s += 0.01
            self.paced.tick()


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(words: list[int], *, native_usb: bool = False) -> Bench:
        made.append(Bench(words, tmp_path / "port", native_usb=native_usb))
        return made[-1]

    yield make
    for one in made:
        one.port.unplug()
        one.board.close()


def test_virtual_time_is_the_wall_clocks(bench: MakeBench) -> None:
    rig = bench(NOTHING)
    rig.advance(1.0)
    assert rig.board.mcu.time_s == pytest.approx(1.0, abs=1e-6)


def test_whatever_fails_on_the_board_stops_it_until_it_is_reset(bench: MakeBench) -> None:
    rig = bench(WRITES_SPDR)

    def fail(_mosi: int) -> int:
        raise PartError("the chip was misused")

    rig.board.mcu.spi.attach(fail)
    rig.advance(0.05)
    stood = rig.board.mcu.cycles
    assert str(rig.paced.crash) == "the chip was misused"
    assert rig.said == ["crashed, and stands still until it is reset: the chip was misused"]
    rig.advance(0.05)
    assert rig.board.mcu.cycles == stood
    rig.board.mcu.spi.attach(lambda _mosi: 0)
    rig.paced.reset()
    rig.advance(0.05)
    assert not rig.paced.crash
    assert rig.board.mcu.cycles > stood


@pytest.mark.parametrize("native_usb", [False, True])
def test_an_unplugged_board_has_no_power(bench: MakeBench, native_usb: bool) -> None:
    rig = bench(NOTHING, native_usb=native_usb)
    rig.advance(0.05)
    rig.paced.unplug()
    stood = rig.board.mcu.cycles
    rig.advance(1.0)
    assert rig.board.mcu.cycles == stood
    rig.paced.plug()
    assert rig.board.mcu.read_data(0x54, 1)[0] == 1  # PORF
    rig.advance(0.05)
    assert rig.board.mcu.cycles > stood


def test_a_touch_takes_the_port_away_for_a_while(bench: MakeBench) -> None:
    rig = bench(NOTHING, native_usb=True)
    os.system(f"stty -F {rig.port.link} 1200")
    rig.advance(0.01)
    assert (rig.port.plugged, rig.paced.resets, rig.said) == (False, 1, ["reset: 1200-baud touch"])
    rig.advance(REENUMERATION_S - 0.05)
    assert not rig.port.plugged
    rig.advance(0.1)
    assert rig.port.plugged
