"""From a board's request to a reading, and from a reading to the backend's body. Pure.

Every refusal names the field, its value and what is accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from plantkeeper_proxy.errors import MessageError, TooLargeError

BODY_LIMIT = 4096
MAX_ID = 2**31 - 1
MAX_AGE_S = 400 * 86_400  # a board that was offline for a year
RANGES = {"temperature": (-40, 85), "humidity": (0, 1000), "light": (0, 2000)}
# RFC 9651 section 3.3.3: a string in quotes, with \" and \\ escaped
KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,64})"')
SHOWN = 60
DEEPEST = 64
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{}\]]', re.DOTALL)  # strings too, so that those within are passed over


class Reading(NamedTuple):  # made several times as fast as a frozen dataclass
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
        shown = re.sub(r",[ \t]*", ", ", header).strip()  # servers join repeated headers with or without a blank
        raise MessageError(
            f'Idempotency-Key is {_cut(ascii(shown))}; expected a string in quotes such as "3-42", '
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
    body = f'{{"id":{device_id}'
    if temperature is not None:
        body += f',"temperature":{int(temperature) if temperature == int(temperature) else temperature!r}'
    if humidity is not None:
        body += f',"humidity":{round(max(0.0, min(100.0, humidity)))}'
    if light is not None:
        body += f',"light":{round(light)}'
    return f"{body}}}".encode()


class _Constant(str):
    """NaN, Infinity or -Infinity, which Python's parser takes and JSON does not know."""

    __slots__ = ()


SUSPECTS = (_Constant, list)


def _parse_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise MessageError('the body is empty; expected a JSON object such as {"id":7,"temperature":21.5}')
    try:
        text = body.decode("utf-8")  # and no other encoding (RFC 8259 section 8.1)
        if body.count(b"[") + body.count(b"{") > DEEPEST:
            _check_depth(text)
        fields = _decode(text)
    except UnicodeDecodeError as error:
        raise MessageError(f"the body is not UTF-8 (byte {error.start}): {_quote(body)}") from error
    except ValueError as error:
        raise MessageError(f"the body is not JSON ({error}): {_quote(body)}") from error
    if not isinstance(fields, dict):
        raise MessageError(f"the body is {_quote(body)}; expected a JSON object")
    return fields


def _check_depth(text: str) -> None:
    """Refuse what would take the parser too deep, wherever it is called from."""
    depth = 0
    for bracket in BRACKET.findall(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket, 0)
        if depth > DEEPEST:
            raise MessageError(f'the body is nested over {DEEPEST} deep; expected a JSON object such as {{"id":7}}')


def _checked(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object's fields, each once and without what JSON does not know."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise MessageError(f"{_show(name)} is given twice; expected every field once")
        if isinstance(value, SUSPECTS) and (constant := _constant_in(value)) is not None:
            raise MessageError(f"{_name(name)} is {constant}, which is not JSON; expected a finite number or null")
        fields[name] = value
    return fields


def _constant_in(value: object) -> str | None:
    """NaN or the like in a value or in its lists, however deep; objects were checked when they were made."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _Constant):
            return str(one)
        if isinstance(one, list):
            waiting.extend(one)
    return None


_decode = json.JSONDecoder(parse_constant=_Constant, object_pairs_hook=_checked).decode


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
    if type(value) is not float and type(value) is not int:  # as JSON's numbers are, and true is not
        raise MessageError(f"{name} is {_show(value)}; expected a number, {low}…{high}, or null")
    if not low <= value <= high:  # NaN is not either
        raise MessageError(f"{name} is {_show(value)}; accepted are {low}…{high}, or null")
    return float(value)


def _age_s(fields: dict[str, Any]) -> int:
    value = fields.get("age_s")
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AGE_S:
        raise MessageError(f"age_s is {_show(value)}; expected whole seconds, 0…{MAX_AGE_S}")
    return value


def _name(name: str) -> str:
    """A field's name as it is, or quoted where it is a strange one."""
    return name if name.isascii() and name.isidentifier() and len(name) <= SHOWN else _show(name)


def _show(value: object) -> str:
    """A value as JSON has it, short, and never what a terminal would act on."""
    return _cut(json.dumps(value, separators=(",", ":")))


def _quote(body: bytes) -> str:
    """A body that is no JSON, likewise."""
    return _cut(ascii(body.decode("utf-8", "backslashreplace")))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
