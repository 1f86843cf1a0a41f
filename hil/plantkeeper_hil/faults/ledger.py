"""What the boards of a load sent, and what the backend must have of it.

Every reading of a device has values of its own, so that the backend's journal can be judged by values and not only
by keys. The values restate the wire contract (docs/architecture.md sections 5 and 7) for the judge's side.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

BOOT = 3
# light repeats after 2000 numbers and humidity after 101; both together after 202 000: the two have no common factor
LIGHTS, HUMIDITIES = 2000, 101
READINGS_A_DEVICE = LIGHTS * HUMIDITIES
TEMPERATURES = 1250  # tenths of a degree from -40: one a device
SILENT_DHT_EVERY = 16  # so often a board in the field has no temperature
OVER_WET = 316.0  # what a board in the field sends as humidity of a soil in water; the backend gets 100


@dataclass(frozen=True)
class Device:
    """A simulated board.

    Args:
        id: its number at the backend.
        keyed: True for this project's firmware, which repeats a reading under its key until it is acknowledged;
            False for a board in the field, to which whatever it sends is new.
    """

    id: int
    keyed: bool


@dataclass(slots=True)
class Sent:
    """A reading that was sent at least once.

    Args:
        number: the device's running number, from 1.
        key: the content of its Idempotency-Key, or None.
        body: as posted.
        expected: the body that the backend must get, as JSON.
        posts: how often it was sent.
        acknowledged: True once one of them was answered 200.
    """

    device_id: int
    number: int
    key: str | None
    body: bytes
    expected: Mapping[str, float]
    posts: int = 0
    acknowledged: bool = False


def reading_of(device: Device, number: int) -> Sent:
    """The device's reading of a number, not sent yet.

    Raises:
        ValueError: the number is beyond what values can tell apart.
    """
    if not 1 <= number <= READINGS_A_DEVICE:
        raise ValueError(f"device {device.id}, reading {number}: values tell 1…{READINGS_A_DEVICE} apart")
    light, humidity = number % LIGHTS, number % HUMIDITIES
    tenths = device.id % TEMPERATURES - 400
    if device.keyed:
        celsius = str(tenths // 10) if tenths % 10 == 0 else f"{tenths / 10:.1f}"
        text = f'{{"id":{device.id},"temperature":{celsius},"humidity":{humidity},"light":{light}}}'
        key: str | None = f"{BOOT}-{number}"
    else:  # float noise, humidity beyond 100, and now and then no temperature
        celsius = "null" if number % SILENT_DHT_EVERY == 0 else f"{tenths / 10 + 0.00000084:.8f}"
        wetness = OVER_WET if humidity == 100 else humidity + 0.25
        text = f'{{"id":{device.id},"temperature":{celsius},"humidity":{wetness:g},"light":{light + 0.25:.8f}}}'
        key = None
    expected: dict[str, float] = {"id": device.id, "humidity": humidity, "light": light}
    temperature = json.loads(celsius)
    if temperature is not None:
        expected["temperature"] = temperature
    return Sent(device.id, number, key, text.encode(), expected)


def fleet(count: int, *, first: int = 1) -> list[Device]:
    """So many devices, from number `first` on, of both kinds in turn."""
    return [Device(number, keyed=number % 2 == 0) for number in range(first, first + count)]


@dataclass
class Ledger:
    """Everything that a load sent, by device, in the order of sending."""

    sent: dict[int, list[Sent]] = field(default_factory=dict)

    def add(self, sent: Sent) -> None:
        """Note a reading."""
        self.sent.setdefault(sent.device_id, []).append(sent)

    def __iter__(self) -> Iterator[Sent]:
        for readings in self.sent.values():
            yield from readings

    def of(self, device_id: int) -> Sequence[Sent]:
        """A device's readings in order."""
        return self.sent.get(device_id, ())

    @property
    def acknowledged(self) -> int:
        """How many were answered 200."""
        return sum(sent.acknowledged for sent in self)
