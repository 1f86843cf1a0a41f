"""Resistive soil probe on an ADC input: 1023 in dry soil, 700 in wet soil, 0 V when it is unplugged.

The board's 1 MΩ pull-down makes an unplugged probe read 0 V, which no soil can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plantkeeper_sim.wires import Clock

CODE_DRY = 1023
CODE_WET = 700
CODES = 1024


@dataclass(frozen=True)
class SoilSample:
    """One conversion of the probe's voltage."""

    cycles: int
    adc_code: int


class SoilProbe:
    """The probe.

    Args:
        clock: virtual time.
        moisture: soil moisture in %, 0–100, now.
        supply_volts: what the divider hangs on, and the ADC's reference.
    """

    def __init__(self, clock: Clock, moisture: Callable[[], float], *, supply_volts: float = 5.0) -> None:
        self._clock = clock
        self._moisture = moisture
        self._supply_volts = supply_volts
        self.unplugged = False
        self.history: list[SoilSample] = []

    def volts(self) -> float:
        """Voltage at the sampling instant: the middle of the ADC's step."""
        code = 0 if self.unplugged else code_of(self._moisture())
        self.history.append(SoilSample(self._clock.cycles, code))
        return 0.0 if self.unplugged else (code + 0.5) * self._supply_volts / CODES


def code_of(moisture_percent: float) -> int:
    """ADC code of a soil moisture in %."""
    clamped = max(0.0, min(100.0, moisture_percent))
    return round(CODE_DRY - clamped * (CODE_DRY - CODE_WET) / 100)
