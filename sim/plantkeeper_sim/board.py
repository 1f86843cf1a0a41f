"""The Uno board of a plant: which chip hangs on which pin (docs/architecture.md section 2), and how to run it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeVar

from plantkeeper_sim.avr import BARE, Firmware, Fuses, Mcu, StopReason
from plantkeeper_sim.dhcp_server import DhcpServer
from plantkeeper_sim.errors import SimError
from plantkeeper_sim.events import Event, parse_event
from plantkeeper_sim.net import LATENCY_S, PATIENCE_S, Network
from plantkeeper_sim.parts import si1145
from plantkeeper_sim.parts.dht11 import Dht11, Dht11Fault
from plantkeeper_sim.parts.i2c import I2cBus
from plantkeeper_sim.parts.led import Led
from plantkeeper_sim.parts.soil import SoilProbe
from plantkeeper_sim.parts.w5500 import W5500
from plantkeeper_sim.plant import Plant
from plantkeeper_sim.provision import BoardConfig, eeprom_image
from plantkeeper_sim.wires import PulledUp

SAMPLE_WINDOW_S = 5.0  # a reading's samples are younger than that when the firmware names it
EVENTS_A_READING = 50  # more lines than the firmware says between two readings within that window


class _Sample(Protocol):
    @property
    def cycles(self) -> int:
        """When it was taken."""


S = TypeVar("S", bound=_Sample)


class BoardError(SimError):
    """The board did not do what was waited for."""


@dataclass(frozen=True)
class SensedSamples:
    """What the sensors gave to the firmware for one reading, raw."""

    temperature_c: int | None
    soil_adc: tuple[int, ...]
    light_counts: tuple[int, ...]


class UnoBoard:
    """An Arduino Uno with its Ethernet shield and sensors, running one ELF.

    Args:
        firmware: what is flashed.
        config: what makes the board this board; written to its EEPROM.
        seed: of the plant's surroundings and of all that data sheets leave open; the device id is mixed in,
            so boards of one seed stand at different plants.
        latency_s, patience_s, live: of the network (`plantkeeper_sim.net`).
        fuses: of its MCU; `UNO` where its flash has a bootloader.
        eeprom: contents instead of the configuration alone, from an earlier run.
    """

    def __init__(
        self,
        firmware: Firmware,
        config: BoardConfig,
        *,
        seed: int,
        latency_s: float = LATENCY_S,
        patience_s: float = PATIENCE_S,
        live: bool = False,
        eeprom: bytes | None = None,
        fuses: Fuses = BARE,
    ) -> None:
        self.config, self.seed = config, seed
        self.plant = Plant(Random(f"{seed}/plant/{config.device_id}").randrange(2**32))
        random = Random(f"{seed}/chips/{config.device_id}")
        self.mcu = mcu = Mcu(firmware, fuses=fuses, eeprom=eeprom_image(config) if eeprom is None else eeprom)
        self.network = Network(mcu, latency_s=latency_s, patience_s=patience_s, live=live)
        self.dhcp_server = DhcpServer(mcu, self.network.lan)
        self.led = Led(mcu.pin("PB0"))
        self.w5500 = W5500(mcu, mcu.pin("PB2"), self.network, random=random)
        self.dht11 = Dht11(
            mcu,
            PulledUp(mcu.pin("PD2")),
            temperature_c=lambda: self.plant.temperature_c(mcu.time_s),
            humidity_percent=lambda: self.plant.air_humidity_percent(mcu.time_s),
            random=random,
        )
        self.si1145 = si1145.Si1145(mcu, lambda: self.plant.visible_count(mcu.time_s))
        self.soil = SoilProbe(mcu, lambda: self.plant.soil_moisture_percent(mcu.time_s))
        mcu.spi.attach(self.w5500.transfer)
        mcu.twi.attach(I2cBus({si1145.ADDRESS: self.si1145}))
        mcu.adc.attach(0, self.soil.volts)
        mcu.uart.watch_lines(self._on_line)
        mcu.on_reset.append(mcu.uart.drop_unfinished_line)
        self.lines: list[tuple[int, str]] = []
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _event: None

    def run_for(self, seconds: float) -> StopReason:
        """Run for that much virtual time."""
        return self.mcu.run(until_cycles=self.mcu.cycles + round(seconds * self.mcu.clock_hz))

    def run_until(self, condition: Callable[[], bool], *, deadline_s: float) -> None:
        """Run until an event line makes `condition()` true.

        Args:
            condition: asked after each event line, and at first.
            deadline_s: virtual seconds from now.

        Raises:
            BoardError: the deadline passed; names the last lines on the console.
        """
        deadline = self.mcu.cycles + round(deadline_s * self.mcu.clock_hz)
        met = condition()
        inner = self.on_event

        def look(event: Event) -> None:
            nonlocal met
            inner(event)
            if condition():
                met = True
                self.mcu.stop()

        self.on_event = look
        try:
            while not met:
                if self.mcu.run(until_cycles=deadline) is not StopReason.STOPPED:
                    last = "\n  ".join(line for _, line in self.lines[-5:]) or "nothing"
                    raise BoardError(
                        f"board {self.config.device_id}, seed {self.seed}: what was waited for did not happen within "
                        f"{deadline_s} virtual s; the console's last lines:\n  {last}"
                    )
        finally:
            self.on_event = inner

    def events_named(self, name: str) -> list[Event]:
        """All events of a name so far."""
        return [event for event in self.events if event.name == name]

    def sensed(self, taken: Event) -> SensedSamples:
        """What the sensors had for the reading that this `!taken` names.

        That is: all samples since the reading before, taken or skipped, but none older than 5 s.
        """
        start = taken.cycles - round(SAMPLE_WINDOW_S * self.mcu.clock_hz)
        index = bisect_left(self.events, taken.cycles, key=_cycles)
        for event in reversed(self.events[max(0, index - EVENTS_A_READING) : index]):
            if event.name in {"taken", "sensor", "boot"}:
                start = max(start, event.cycles)
                break
        frames = [f for f in _between(self.dht11.history, start, taken.cycles) if f.fault is Dht11Fault.NONE]
        return SensedSamples(
            temperature_c=frames[-1].temperature_c if frames else None,
            soil_adc=tuple(s.adc_code for s in _between(self.soil.history, start, taken.cycles)),
            light_counts=tuple(s.count for s in _between(self.si1145.history, start, taken.cycles)),
        )

    def cut_power(self, random: Random) -> None:
        """The whole board loses its power, which is back at once: its memories hold noise, but for the EEPROM.

        Args:
            random: makes the noise.
        """
        self.w5500.reset()
        self.si1145.power_up()
        self.mcu.lose_power(random)

    def close(self) -> None:
        """Let go of host sockets."""
        self.network.close()

    def _on_line(self, line: bytes, cycles: int) -> None:
        text = line.decode("ascii", "backslashreplace")
        if not text:  # the firmware ends what a reset may have cut
            return
        self.lines.append((cycles, text))
        event = parse_event(text, cycles)
        if event is not None:
            self.events.append(event)
            self.on_event(event)


def _cycles(sample: _Sample) -> int:
    return sample.cycles


def _between(history: Sequence[S], after: int, until: int) -> Sequence[S]:
    """Samples with `after < sample.cycles <= until` of a list in order of `cycles`."""
    return history[bisect_right(history, after, key=_cycles) : bisect_right(history, until, key=_cycles)]
