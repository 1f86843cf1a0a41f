"""DHT11, SI1145, soil probe and LED on their wires, against their data sheets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_sim.errors import PartError
from plantkeeper_sim.parts.dht11 import Dht11, Dht11Fault
from plantkeeper_sim.parts.i2c import I2cBus
from plantkeeper_sim.parts.led import Led
from plantkeeper_sim.parts.si1145 import ADDRESS, Si1145
from plantkeeper_sim.parts.soil import SoilProbe, code_of
from plantkeeper_sim.testing import LooseWire, ManualClock
from plantkeeper_sim.wires import PulledUp


def start(clock: ManualClock, wire: LooseWire, low_s: float = 0.02) -> None:
    wire.program(False)
    clock.advance(low_s)
    wire.program(None)
    wire.edges.clear()


def decode(edges: list[tuple[int, bool]], clock_hz: int) -> bytes:
    """A DHT11 frame by the lengths of its high pulses, as a logic analyser reads it."""
    highs = [(end - begin) / clock_hz * 1e6 for (begin, up), (end, _) in itertools.pairwise(edges) if up]
    bits = [us > 48 for us in highs[1:41]]  # the first high pulse is the response's
    return bytes(sum(bit << 7 - i for i, bit in enumerate(bits[n : n + 8])) for n in range(0, 40, 8))


def dht11(
    clock: ManualClock, wire: LooseWire, temperature_c: float = 21.4, humidity_percent: float = 40, seed: int = 1
) -> Dht11:
    return Dht11(
        clock,
        PulledUp(wire),
        temperature_c=lambda: temperature_c,
        humidity_percent=lambda: humidity_percent,
        random=Random(seed),
    )


@given(st.floats(-20, 70), st.floats(0, 100), st.integers(0, 2**32))
def test_dht11_frame_says_what_the_air_has(temperature_c: float, humidity_percent: float, seed: int) -> None:
    clock = ManualClock()
    wire = LooseWire(clock)
    sensor = dht11(clock, wire, temperature_c, humidity_percent, seed)
    clock.advance(1.1)
    start(clock, wire)
    clock.advance(0.01)
    frame = decode(wire.edges, clock.clock_hz)
    assert frame[4] == sum(frame[:4]) & 0xFF
    assert (frame[2], frame[0]) == (max(0, min(50, round(temperature_c))), max(20, min(90, round(humidity_percent))))
    assert [(f.temperature_c, f.humidity_percent) for f in sensor.history] == [(frame[2], frame[0])]


@pytest.mark.parametrize("low_s", [0.001, 0.0179])
def test_dht11_ignores_a_start_that_is_too_short(
    clock: ManualClock, new_wire: Callable[[], LooseWire], low_s: float
) -> None:
    wire = new_wire()
    dht11(clock, wire)
    clock.advance(1.1)
    start(clock, wire, low_s)
    clock.advance(0.01)
    assert wire.edges == []


def test_dht11_answers_once_a_second(clock: ManualClock, new_wire: Callable[[], LooseWire]) -> None:
    wire = new_wire()
    sensor = dht11(clock, wire)
    clock.advance(1.1)
    for pause_s in (0.0, 0.5, 1.0):
        clock.advance(pause_s)
        start(clock, wire)
        clock.advance(0.01)
    assert len(sensor.history) == 2


def test_dht11_faults(clock: ManualClock, new_wire: Callable[[], LooseWire]) -> None:
    wire = new_wire()
    sensor = dht11(clock, wire)
    clock.advance(1.1)
    frames = {}
    for fault in Dht11Fault:
        sensor.fault = fault
        start(clock, wire)
        clock.advance(1.5)
        frames[fault] = list(wire.edges)
    assert frames[Dht11Fault.SILENT] == []
    assert len(frames[Dht11Fault.NONE]) == 84  # 80 µs low, 80 µs high, 40 bits, last low: 42 falls, 42 rises
    assert len(frames[Dht11Fault.CUT_SHORT]) == 42
    wrong = decode(frames[Dht11Fault.CHECKSUM], clock.clock_hz)
    assert wrong[4] != sum(wrong[:4]) & 0xFF


class LightDriver:
    """Host's side of the SI1145's protocol."""

    def __init__(self, clock: ManualClock, chip: Si1145) -> None:
        self.clock, self.bus = clock, I2cBus({ADDRESS: chip})

    def write(self, *data: int) -> None:
        assert self.bus.start(ADDRESS, read=False)
        assert all(self.bus.write(byte) for byte in data)
        self.bus.stop()

    def read(self, register: int, length: int) -> list[int]:
        assert self.bus.start(ADDRESS, read=False)
        assert self.bus.write(register)
        assert self.bus.start(ADDRESS, read=True)
        data = [self.bus.read(ack=i < length - 1) for i in range(length)]
        self.bus.stop()
        return data

    def measure(self) -> int:
        self.write(0x07, 0x17)
        self.write(0x17, 0x10)
        self.write(0x18, 0xA1)
        self.clock.advance(0.001)
        self.write(0x18, 0x06)
        self.clock.advance(0.001)
        low, high = self.read(0x22, 2)
        return low | high << 8


@given(st.floats(0, 70_000))
def test_si1145_counts_visible_light(count: float) -> None:
    clock = ManualClock()
    chip = Si1145(clock, lambda: count)
    clock.advance(0.03)
    driver = LightDriver(clock, chip)
    assert driver.read(0x00, 1) == [0x45]
    assert driver.measure() == min(65535, round(count))
    assert driver.read(0x20, 1) == [2]
    assert [sample.count for sample in chip.history] == [min(65535, round(count))]


def test_si1145_forgets_a_command_before_its_start_up(clock: ManualClock) -> None:
    driver = LightDriver(clock, Si1145(clock, lambda: 300.0))
    assert driver.measure() == 0


def test_si1145_measures_nothing_without_its_hardware_key(clock: ManualClock) -> None:
    driver = LightDriver(clock, Si1145(clock, lambda: 300.0))
    clock.advance(0.03)
    driver.write(0x18, 0x06)
    with pytest.raises(PartError, match="HW_KEY 0x00"):
        clock.advance(0.001)


@pytest.mark.parametrize("command", [0x02, 0x0E, 0x30])
def test_si1145_unknown_commands_are_named(clock: ManualClock, command: int) -> None:
    driver = LightDriver(clock, Si1145(clock, lambda: 300.0))
    clock.advance(0.03)
    with pytest.raises(PartError, match=f"command 0x{command:02X} is not modelled"):
        driver.write(0x18, command)


def test_a_silent_chip_and_a_wrong_address_do_not_acknowledge(clock: ManualClock) -> None:
    chip = Si1145(clock, lambda: 300.0)
    bus = I2cBus({ADDRESS: chip})
    assert not bus.start(0x61, read=False)
    chip.silent = True
    assert not bus.start(ADDRESS, read=False)


@given(st.floats(-10, 110))
def test_soil_probe_voltage_is_in_the_middle_of_its_code(moisture: float) -> None:
    probe = SoilProbe(ManualClock(), lambda: moisture)
    assert int(probe.volts() * 1024 / 5) == code_of(moisture)
    assert 700 <= code_of(moisture) <= 1023


def test_an_unplugged_probe_reads_zero(clock: ManualClock) -> None:
    probe = SoilProbe(clock, lambda: 50.0)
    probe.unplugged = True
    assert probe.volts() == 0


def test_led_remembers_its_edges(clock: ManualClock, new_wire: Callable[[], LooseWire]) -> None:
    wire = new_wire()
    led = Led(wire)
    wire.program(True)
    clock.advance(1e-6)
    assert led.lit
    wire.program(False)
    assert led.edges == [(0, True), (16, False)]
