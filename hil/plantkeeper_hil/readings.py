"""A reading as it is seen along its way: its key, its values, and what its sensors make of it.

The conversions restate the wire contract (docs/architecture.md section 5) for the host's side of the
conservation check; the firmware has its own, and the two must agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ADC_DRY = 1023
ADC_WET = 700
LIGHT_COUNT_DARK = 160
LIGHT_COUNT_BRIGHT = 800
LIGHT_FULL = 2000

_KEY = re.compile(r'"?([1-9][0-9]{0,9})-([1-9][0-9]{0,9})"?')


@dataclass(frozen=True, order=True)
class Key:
    """Identity of one reading of a device: boot counter and sequence number, ordered as taken."""

    boot: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read `3-42`, or `"3-42"` as an Idempotency-Key header has it.

        Raises:
            ValueError: the text is not of that form.
        """
        match = _KEY.fullmatch(text)
        if match is None:
            raise ValueError(f"not a reading's key: {text!r}; expected <boot>-<seq> such as 3-42")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.boot}-{self.seq}"


@dataclass(frozen=True)
class Values:
    """What a reading says: temperature in °C, soil humidity in %, light on the 0–2000 scale."""

    temperature: float | None
    humidity: float | None
    light: float | None

    def __str__(self) -> str:
        return f"temperature={self.temperature} humidity={self.humidity} light={self.light}"


@dataclass(frozen=True)
class Record:
    """One reading as one place on its way knows it."""

    device_id: int
    key: Key
    values: Values


@dataclass(frozen=True)
class Drop:
    """A board's own word that it gave up a reading.

    Args:
        reason: that the board named.
        boot: the start in which it gave it up, which may be later than the one in which it took it.
        number: the board's count of such readings since that start, from 1.
    """

    device_id: int
    key: Key
    reason: str
    boot: int
    number: int


@dataclass(frozen=True)
class Sensed:
    """What the sensors gave to the firmware for one reading, raw.

    Several samples are kept where the firmware takes several: the reading must lie within them.
    """

    temperature_c: float
    soil_adc: tuple[int, ...]
    light_counts: tuple[int, ...]

    def explain_difference(self, values: Values) -> str | None:
        """Say how `values` differ from what the sensors had, or None where they agree."""
        differences = []
        if values.temperature != self.temperature_c:
            differences.append(f"temperature {values.temperature}, the DHT11 had {self.temperature_c}")
        for name, value, allowed in (
            ("humidity", values.humidity, [humidity_percent(code) for code in self.soil_adc]),
            ("light", values.light, [light_level(count) for count in self.light_counts]),
        ):
            if value is None or not _within(value, allowed):
                differences.append(f"{name} {value}, the sensor had {_span(allowed)}")
        return "; ".join(differences) or None


def humidity_percent(adc_code: int) -> int:
    """Soil moisture in % of a 10-bit ADC code: 1023 is dry (0), 700 is wet (100), rounded half up."""
    return _clamp(_round_half_up((ADC_DRY - adc_code) * 100, ADC_DRY - ADC_WET), 0, 100)


def light_level(visible_count: int) -> int:
    """Light, 0–2000, of an SI1145 visible count: 160 is 0, 800 is 2000, rounded half up."""
    span = LIGHT_COUNT_BRIGHT - LIGHT_COUNT_DARK
    return _clamp(_round_half_up((visible_count - LIGHT_COUNT_DARK) * LIGHT_FULL, span), 0, LIGHT_FULL)


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _within(value: float, samples: Iterable[int]) -> bool:
    ordered = sorted(samples)
    return bool(ordered) and ordered[0] <= value <= ordered[-1]


def _span(samples: Iterable[int]) -> str:
    ordered = sorted(samples)
    if not ordered:
        return "nothing"
    return str(ordered[0]) if ordered[0] == ordered[-1] else f"{ordered[0]}…{ordered[-1]}"
