"""HTTP without what differs by nature from one run to the next, and from one board to another. Pure.

| what | where | why |
|---|---|---|
| Host | request | each network has its own addresses |
| the version in User-Agent | request | builds |
| Content-Length | both | measured values have one digit or three |
| the boot number in Idempotency-Key | request | counts on at each board |
| Content-Digest, Signature, the keyid in Signature-Input | request | made of values, numbers and keys |
| the body's values | request | ids and measured values; which fields there are, in which order, of which kind, stays |
| Date, X-Request-Id | answer | times and random ids |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from plantkeeper_hil.traffic.http import Message

PUT_ASIDE = "<…>"


def _aside(_value: str) -> str:
    return PUT_ASIDE


_HEADERS: Mapping[str, Callable[[str], str]] = {
    "host": _aside,
    "user-agent": lambda value: re.sub(r"(?<=/)[0-9.]+$", PUT_ASIDE, value),
    "content-length": _aside,
    "idempotency-key": lambda value: re.sub(r'(?<=^")\d+(?=-)', "<boot>", value),
    "content-digest": _aside,
    "signature": _aside,
    "signature-input": lambda value: re.sub(r'(?<=;keyid=")[^"]*', PUT_ASIDE, value),
}
_OF_THE_MOMENT = {"date", "x-request-id"}


def answer_lines(message: Message) -> list[str]:
    """An answer, a line each for status, headers and body, without its time and its request's id."""
    headers = [f"{name}: {PUT_ASIDE if name.lower() in _OF_THE_MOMENT else value}" for name, value in message.headers]
    return [message.start, *headers, message.body.decode("latin-1")]


def plain_lines(message: Message) -> list[str]:
    """A request or an answer as `hil compare` has it: header names in their case, a request's fields by their kind."""
    if message.start.startswith("HTTP/"):
        return [_plain_header(line) for line in answer_lines(message)]
    headers = [f"{name}: {_HEADERS.get(name.lower(), str)(value)}" for name, value in message.headers]
    return [message.start, *headers, _kinds(message.body)]


def _plain_header(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}: {PUT_ASIDE}" if colon and name.lower() == "content-length" else line


class _Fields(list[tuple[str, object]]):
    """An object's, in their order."""


def _kinds(body: bytes) -> str:
    """A JSON object's fields in their order, each by the kind of its value; anything else as it is."""
    try:
        fields = json.loads(body, object_pairs_hook=_Fields)
    except ValueError:
        fields = None
    if not isinstance(fields, _Fields):
        return body.decode("latin-1")
    return "{" + ", ".join(f'"{name}": <{_kind(value)}>' for name, value in fields) + "}"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
