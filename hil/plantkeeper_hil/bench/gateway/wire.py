"""The bytes that boards post: of those in the field, and of this project's firmware (docs/architecture.md section 5).

Readings are distinct, so that nothing can be taken for a repeat, and go round the devices, so that two readings of one
device are never on their way at once as long as there are more devices than connections. `board.lua` builds the same
bytes for wrk. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Mode = Literal["close", "keep"]
Wire = Literal["field", "firmware"]
HOST = "192.0.2.10:8080"


@dataclass(frozen=True)
class Posting:
    """How boards post.

    Args:
        mode: `close` opens a connection for each reading, as boards do; `keep` keeps it.
        wire: whose bytes.
        host: whether a `Host` header goes along: boards in the field send none, and some servers refuse that.
        devices: how many devices the readings are from.
        boot: the boot counter in the firmware's keys; never twice for one database.
    """

    mode: Mode = "close"
    wire: Wire = "field"
    host: bool = True
    devices: int = 1000
    boot: int = 1


def body(n: int, posting: Posting) -> str:
    """The JSON of the n-th reading, from 1."""
    device_id = (n - 1) % posting.devices + 1
    if posting.wire == "firmware":
        return f'{{"id":{device_id},"temperature":{n % 51},"humidity":{n // 51 % 101},"light":{n // 5151 % 2001}}}'
    temperature, light = 10 + n % 3000 / 100 + 0.00000084, n // 3000 % 2000 + 0.75
    return f'{{"id":{device_id},"temperature":{temperature:.8f},"humidity":{n % 317},"light":{light:.8f}}}'


def request(n: int, posting: Posting) -> bytes:
    """The n-th POST, from 1."""
    text = body(n, posting)
    closing = ["Connection: close"] if posting.mode == "close" else []
    kind, length = "Content-Type: application/json", f"Content-Length: {len(text)}"
    if posting.wire == "firmware":
        key = f'Idempotency-Key: "{posting.boot}-{n}"'
        headers = ["User-Agent: PlantKeeper/0.1.0", kind, key, length, *closing]
    else:
        headers = ["User-Agent: Arduino/2.2.0", *closing, kind, length]
    if posting.host:
        headers.insert(0, f"Host: {HOST}")
    return ("\r\n".join(["POST /sensor-data HTTP/1.1", *headers, "", ""]) + text).encode()


def posting_for(posting: Posting, *, needs_host: bool, devices: int, boot: int) -> Posting:
    """How boards post to a server: the field's send no `Host` but where the server refuses that."""
    host = needs_host or posting.wire == "firmware"
    return replace(posting, host=host, devices=devices, boot=boot)
