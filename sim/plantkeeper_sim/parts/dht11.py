"""DHT11 temperature and humidity sensor on one wire.

Ref: Aosong DHT11 data sheet, "Communication process": the host pulls low for at least 18 ms and lets go;
the sensor answers after 20–40 µs with 80 µs low and 80 µs high, then 40 bits, each 50 µs low and
26–28 µs (0) or 70 µs (1) high, and 50 µs low at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

from plantkeeper_sim.wires import Clock, Wire

START_LOW_S = 0.018
MINIMUM_INTERVAL_S = 1.0
RESPONSE_DELAY_US = 30.0
RESPONSE_LOW_US = 80.0
RESPONSE_HIGH_US = 80.0
BIT_LOW_US = 50.0
ZERO_HIGH_US = 27.0
ONE_HIGH_US = 70.0
TOLERANCE = 0.03  # jitter of each pulse, within the data sheet's figures


class Dht11Fault(Enum):
    """What can be wrong with the sensor."""

    NONE = "none"
    SILENT = "silent"
    CHECKSUM = "checksum"
    CUT_SHORT = "cut short"


@dataclass(frozen=True)
class Dht11Frame:
    """One transmission, as the sensor meant it."""

    cycles: int
    temperature_c: int
    humidity_percent: int
    fault: Dht11Fault


def encode(temperature_c: int, humidity_percent: int) -> bytes:
    """The five bytes of a frame."""
    body = bytes((humidity_percent, 0, temperature_c, 0))
    return body + bytes((sum(body) & 0xFF,))


class Dht11:
    """The sensor.

    Args:
        clock: virtual time.
        wire: data line with a pull-up on the board.
        temperature_c: now; rounded to whole degrees, clamped to the range 0–50 °C.
        humidity_percent: now; rounded, clamped to 20–90 %.
        random: seeded source of the pulses' jitter.
    """

    def __init__(
        self,
        clock: Clock,
        wire: Wire,
        *,
        temperature_c: Callable[[], float],
        humidity_percent: Callable[[], float],
        random: Random,
    ) -> None:
        self._clock, self._wire = clock, wire
        self._temperature_c, self._humidity_percent = temperature_c, humidity_percent
        self._random = random
        self._low_since: int | None = None
        self._sending = False
        self._last_start: int | None = None
        self.fault = Dht11Fault.NONE
        self.history: list[Dht11Frame] = []
        wire.watch(self._on_level)

    def _on_level(self, level: bool, cycles: int) -> None:  # noqa: FBT001 - a logic level
        if self._sending:
            return
        if not level:
            self._low_since = cycles
        elif self._low_since is not None:
            low_s = (cycles - self._low_since) / self._clock.clock_hz
            self._low_since = None
            if low_s >= START_LOW_S and self.fault is not Dht11Fault.SILENT and self._rested(cycles):
                self._last_start = cycles
                self._send()

    def _rested(self, cycles: int) -> bool:
        """The sensor answers once a second at most."""
        if self._last_start is None:
            return cycles >= MINIMUM_INTERVAL_S * self._clock.clock_hz
        return cycles - self._last_start >= MINIMUM_INTERVAL_S * self._clock.clock_hz

    def _send(self) -> None:
        temperature = max(0, min(50, round(self._temperature_c())))
        humidity = max(20, min(90, round(self._humidity_percent())))
        frame = bytearray(encode(temperature, humidity))
        if self.fault is Dht11Fault.CHECKSUM:
            frame[4] ^= 0xFF
        self.history.append(Dht11Frame(self._clock.cycles, temperature, humidity, self.fault))
        edges = self._edges(bytes(frame))
        if self.fault is Dht11Fault.CUT_SHORT:
            edges = edges[: len(edges) // 2]
        self._sending = True
        self._play(edges, 0)

    def _edges(self, frame: bytes) -> list[tuple[float, bool | None]]:
        """(µs from the edge before, level to drive); None lets go of the wire."""
        edges: list[tuple[float, bool | None]] = [(RESPONSE_DELAY_US, False), (RESPONSE_LOW_US, None)]
        high_us = RESPONSE_HIGH_US
        for byte in frame:
            for bit in range(7, -1, -1):
                edges += [(high_us, False), (BIT_LOW_US, None)]
                high_us = ONE_HIGH_US if byte >> bit & 1 else ZERO_HIGH_US
        edges += [(high_us, False), (BIT_LOW_US, None)]
        return [(us * self._random.uniform(1 - TOLERANCE, 1 + TOLERANCE), level) for us, level in edges]

    def _play(self, edges: list[tuple[float, bool | None]], index: int) -> None:
        if index == len(edges):
            self._wire.drive(None)
            self._sending = False
            return
        delay_us, level = edges[index]

        def edge() -> None:
            self._wire.drive(level)
            self._play(edges, index + 1)

        self._clock.call_in(delay_us * 1e-6, edge)
