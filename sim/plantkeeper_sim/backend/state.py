"""What the backend knows of each sensor: its latest values, no history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

COLUMNS = ("humidity", "light", "temperature")
DEFAULT_USER_ID = 1


class Effect(Enum):
    """What a request did to the sensors."""

    NONE = "none"
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    INSERTED = "inserted"


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds and Z, as JavaScript writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Sensor:
    """A row of the backend's table `sensor`."""

    id: int
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    remark: str | None = None
    humidity: float | None = None
    light: float | None = None
    temperature: float | None = None
    last_alert: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as the backend answers it."""
        return {
            "id": self.id,
            "userId": DEFAULT_USER_ID,
            "name": self.name,
            "remark": self.remark,
            "humidity": self.humidity,
            "light": self.light,
            "temperature": self.temperature,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "lastAlert": None if self.last_alert is None else iso(self.last_alert),
        }


@dataclass
class State:
    """All sensors.

    Args:
        now: the clock.
        sensors: by id.
        database_up: False makes every answer that needs it a 500.
    """

    now: Callable[[], datetime]
    sensors: dict[int, Sensor] = field(default_factory=dict)
    database_up: bool = True

    def add(self, ids: Iterable[int]) -> None:
        """Create sensors, as a user of the backend does before a board may write to them."""
        for sensor_id in ids:
            moment = self.now()
            self.sensors.setdefault(sensor_id, Sensor(sensor_id, moment, moment, name=f"Sensor {sensor_id}"))

    def write(self, sensor_id: int, values: Mapping[str, float | None]) -> tuple[Sensor, Effect]:
        """Set the latest values; the same again changes nothing, not even `updatedAt`."""
        moment = self.now()
        sensor = self.sensors.get(sensor_id)
        effect = Effect.UNCHANGED
        if sensor is None:
            sensor = self.sensors[sensor_id] = Sensor(sensor_id, moment, moment)
            effect = Effect.INSERTED
        for column, value in values.items():
            if getattr(sensor, column) != value:
                setattr(sensor, column, value)
                sensor.updated_at = moment
                effect = Effect.APPLIED if effect is Effect.UNCHANGED else effect
        return sensor, effect
