"""Frames between lines of console text, from the host's side (docs/console.md, Frames). Pure.

A frame is 0x01, its contents and their CRC-16 in COBS, 0x00; console lines hold neither 0x01 nor 0x00.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

BEGIN, END = 0x01, 0x00
MAX_CONTENTS = 72
MAX_PAYLOAD = 64
_MAX_CODED = MAX_CONTENTS + 3


@dataclass(frozen=True)
class Frame:
    """What one side says to the other.

    Args:
        kind: one letter.
        connection: number of the board's connection, modulo 256.
        sequence: of the frame, or of the one that is acknowledged.
    """

    kind: str
    connection: int
    sequence: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """What goes over the wire."""
    contents = bytes([ord(frame.kind), frame.connection, frame.sequence]) + frame.payload
    if len(contents) > MAX_CONTENTS:
        raise ValueError(f"a frame of {len(contents)} bytes; at most {MAX_CONTENTS}")
    coded = bytearray()
    for run in (contents + binascii.crc_hqx(contents, 0xFFFF).to_bytes(2, "little")).split(b"\0"):
        coded.append(len(run) + 1)
        coded += run
    return bytes([BEGIN, *coded, END])


class FrameSplitter:
    """Parts a stream into console text and frames; counts frames that were garbled, cut short or too long."""

    def __init__(self) -> None:
        self._coded: bytearray | None = None
        self.broken = 0

    def feed(self, data: bytes) -> tuple[bytes, list[Frame]]:
        """The text and the whole frames in these bytes."""
        text = bytearray()
        frames = []
        for byte in data:
            if self._coded is None:
                if byte == BEGIN:
                    self._coded = bytearray()
                elif byte != END:
                    text.append(byte)
            elif byte == END:
                frame = _decode(bytes(self._coded))
                self._coded = None
                if frame is None:
                    self.broken += 1
                else:
                    frames.append(frame)
            elif len(self._coded) == _MAX_CODED:
                self._coded = None
                self.broken += 1
            else:
                self._coded.append(byte)
        return bytes(text), frames

    def clear(self) -> None:
        """Forget a frame that has not ended."""
        self._coded = None


def _decode(coded: bytes) -> Frame | None:
    runs = []
    at = 0
    while at < len(coded):
        run = coded[at + 1 : at + coded[at]]
        if coded[at] == 0 or len(run) != coded[at] - 1:
            return None
        runs.append(run)
        at += coded[at]
    contents = b"\0".join(runs)
    if len(contents) < 5 or binascii.crc_hqx(contents[:-2], 0xFFFF) != int.from_bytes(contents[-2:], "little"):
        return None
    return Frame(chr(contents[0]), contents[1], contents[2], contents[3:-2])
