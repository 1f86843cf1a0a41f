"""From a board's request to a reading, and from a reading to the backend's body. Pure.

Every refusal names the field, its value and what is accepted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from plantkeeper_proxy.errors import MessageError, TooLargeError

BODY_LIMIT = 4096
MAX_ID = 2**31 - 1
MAX_AGE_S = 400 * 86_400  # a board that was offline for a year
RANGES = {"temperature": (-40, 85), "humidity": (0, 1000), "light": (0, 2000)}
# RFC 9651 section 3.3.3: a string in quotes, with \" and \\ escaped
KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,64})"')
SHOWN = 60
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Reading:
    """What a board measured.

    Args:
        device_id: the device's number at the backend.
        temperature: °C; None where the board had none, as with the others.
        humidity: soil moisture in %, as sent: boards in the field do not clamp it.
        light: 0–2000.
        key: the content of its Idempotency-Key; None for boards that send none.
        age_s: how long it waited on the board.
    """

    device_id: int
    temperature: float | None
    humidity: float | None
    light: float | None
    key: str | None = None
    age_s: int = 0

    @property
    def values(self) -> tuple[float | None, float | None, float | None]:
        """What must be the same for a repeated key to be the same reading."""
        return self.temperature, self.humidity, self.light


def parse_reading(body: bytes, key_header: str | None) -> Reading:
    """Read a request's body and its Idempotency-Key header.

    Raises:
        TooLargeError: the body is over 4096 bytes.
        MessageError: it is not a reading.
    """
    if len(body) > BODY_LIMIT:
        raise TooLargeError(f"body of {len(body)} bytes; at most {BODY_LIMIT} are accepted")
    fields = _parse_object(body)
    return Reading(
        device_id=_device_id(fields),
        temperature=_number(fields, "temperature"),
        humidity=_number(fields, "humidity"),
        light=_number(fields, "light"),
        key=None if key_header is None else parse_key(key_header),
        age_s=_age_s(fields),
    )


def parse_key(header: str) -> str:
    """The content of an Idempotency-Key header.

    Raises:
        MessageError: it is not a quoted string of 1 to 64 printable ASCII characters.
    """
    match = KEY.fullmatch(header.strip())
    if match is None:
        raise MessageError(
            f'Idempotency-Key is {_show(header)}; expected a string in quotes such as "3-42", '
            "1 to 64 printable ASCII characters"
        )
    return re.sub(r"\\(.)", r"\1", match[1])


def quote_key(key: str) -> str:
    """A key as a header has it (RFC 9651 section 4.1.6)."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def backend_body(device_id: int, temperature: float | None, humidity: float | None, light: float | None) -> bytes:
    """The body for the backend: the four fields, nulls left out, humidity clamped to 0–100.

    Humidity and light become whole numbers, rounded half to even: the backend's columns take nothing else.
    """
    fields: dict[str, float] = {"id": device_id}
    if temperature is not None:
        fields["temperature"] = int(temperature) if temperature == int(temperature) else temperature
    if humidity is not None:
        fields["humidity"] = round(max(0.0, min(100.0, humidity)))
    if light is not None:
        fields["light"] = round(light)
    return _encode(fields).encode()


def _parse_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise MessageError('the body is empty; expected a JSON object such as {"id":7,"temperature":21.5}')
    try:
        fields = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except (UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the body is not JSON: {_show(body)}") from error
    except ValueError as error:
        raise MessageError(f"the body is not JSON ({error}): {_show(body)}") from error
    if not isinstance(fields, dict):
        raise MessageError(f"the body is {_show(body)}; expected a JSON object")
    return fields


def _refuse_constant(constant: str) -> NoReturn:
    raise MessageError(f"the body holds {constant}; expected finite numbers or null")


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise MessageError(f"{_show(name)} is given twice; expected every field once")
        fields[name] = value
    return fields


def _device_id(fields: dict[str, Any]) -> int:
    if "id" not in fields:
        raise MessageError(f"id is missing; expected a whole number, 1…{MAX_ID}")
    value = fields["id"]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ID:
        raise MessageError(f"id is {_show(value)}; expected a whole number, 1…{MAX_ID}")
    return value


def _number(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    low, high = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(f"{name} is {_show(value)}; expected a number, {low}…{high}, or null")
    if not low <= value <= high or not math.isfinite(value):
        raise MessageError(f"{name} is {_show(value)}; accepted are {low}…{high}, or null")
    return float(value)


def _age_s(fields: dict[str, Any]) -> int:
    value = fields.get("age_s")
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AGE_S:
        raise MessageError(f"age_s is {_show(value)}; expected whole seconds, 0…{MAX_AGE_S}")
    return value


def _show(value: object) -> str:
    """A value as an error message quotes it: short, and never what a terminal would act on."""
    text = ascii(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
