"""A plant's surroundings over days: temperature, air humidity, light, and soil that dries and is watered.

Pure: every quantity is a function of the seed and the time, whatever was asked before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

DAY_S = 86_400
NOISE_STEP_S = 1_800  # weather changes over half-hours
CLOUD_STEP_S = 600
SOIL_STEP_S = 300
SUNRISE_H, SUNSET_H = 6.0, 20.0
LIGHT_FULL = 2000.0
WATER_BELOW_PERCENT = 30.0
WATERED_TO_PERCENT = 85.0


def smooth_noise(seed: int, name: str, t_s: float, step_s: float) -> float:
    """Noise in −1…1 that passes smoothly through one random value every `step_s` seconds."""
    index, fraction = divmod(t_s / step_s, 1.0)
    before, after = (Random(f"{seed}/{name}/{int(index) + i}").uniform(-1, 1) for i in (0, 1))
    weight = (1 - math.cos(math.pi * fraction)) / 2
    return before * (1 - weight) + after * weight


@dataclass(frozen=True)
class Plant:
    """The surroundings of one plant.

    Args:
        seed: makes the weather; the same seed, the same weather.
    """

    seed: int

    def temperature_c(self, t_s: float) -> float:
        """Air temperature in °C, about 14–30: coldest before sunrise, warmest in the afternoon."""
        hour = t_s / 3600 % 24
        daily = 22 + 6 * math.sin(2 * math.pi * (hour - 9) / 24)
        return daily + 2 * smooth_noise(self.seed, "temperature", t_s, NOISE_STEP_S)

    def air_humidity_percent(self, t_s: float) -> float:
        """Relative humidity of the air in %, 25–85: dry when warm."""
        return max(
            25.0,
            min(
                85.0,
                95 - 1.6 * self.temperature_c(t_s) + 6 * smooth_noise(self.seed, "humidity", t_s, NOISE_STEP_S),
            ),
        )

    def light(self, t_s: float) -> float:
        """Light on the scale 0–2000; 0 at night, with clouds by day."""
        hour = t_s / 3600 % 24
        if not SUNRISE_H < hour < SUNSET_H:
            return 0.0
        sun = math.sin(math.pi * (hour - SUNRISE_H) / (SUNSET_H - SUNRISE_H))
        cloud = 0.7 + 0.3 * smooth_noise(self.seed, "cloud", t_s, CLOUD_STEP_S)
        return LIGHT_FULL * sun * cloud

    def visible_count(self, t_s: float) -> float:
        """What the SI1145 counts in that light: 160 in the dark, 800 in full light."""
        return 160 + self.light(t_s) * 640 / LIGHT_FULL

    def soil_moisture_percent(self, t_s: float) -> float:
        """Soil moisture in %, 0–100."""
        index, fraction = divmod(t_s / SOIL_STEP_S, 1.0)
        before = _soil_at_step(self.seed, int(index))
        after = _soil_at_step(self.seed, int(index) + 1)
        return before + (after - before) * fraction if after <= before else before

    def waterings_s(self, until_s: float) -> list[float]:
        """Times at which somebody waters, up to `until_s`."""
        steps = range(1, int(until_s // SOIL_STEP_S) + 1)
        return [
            step * SOIL_STEP_S for step in steps if _soil_at_step(self.seed, step) > _soil_at_step(self.seed, step - 1)
        ]


@lru_cache(maxsize=1 << 16)
def _drying_per_step(seed: int, step: int) -> float:
    """Moisture lost in one step, in %: more in warmth and light."""
    plant = Plant(seed)
    t_s = step * SOIL_STEP_S
    return 0.08 + 0.012 * max(0.0, plant.temperature_c(t_s) - 12) + 0.35 * plant.light(t_s) / LIGHT_FULL


_soil: dict[int, list[float]] = {}


def _soil_at_step(seed: int, step: int) -> float:
    """Moisture at a step: the drying from the last watering on, kept for all steps so far."""
    levels = _soil.setdefault(seed, [Random(f"{seed}/soil").uniform(45, 75)])
    while len(levels) <= step:
        level = levels[-1] - _drying_per_step(seed, len(levels) - 1)
        levels.append(WATERED_TO_PERCENT if level < WATER_BELOW_PERCENT else level)
    return levels[step]
