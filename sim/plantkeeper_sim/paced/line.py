"""What a receiver makes of a serial line whose sender has another baud rate: it samples where it believes bits to be.

8N1 on both sides: a start bit (low), eight data bits from the lowest, a stop bit (high); between frames the line is
high. A receiver waits for a falling edge, and samples in the middle of what it holds for bits (ATmega328P datasheet,
20.8). A stop bit that was low is a framing error: the receiver hands on the byte as it was sampled, and says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

FRAME_BITS = 10
TOLERANCE = 0.04  # no bit of a frame is sampled outside of it up to 5 % (0.5 / 9.5)


def received(frames: Sequence[tuple[float, int]], *, sent_bit: float, bit: float) -> tuple[bytes, bytes]:
    """The bytes that a receiver reads, and for each 1 where its stop bit was low.

    Args:
        frames: (beginning of the start bit, byte) in order, one after the other.
        sent_bit: length of a bit as sent, in the unit of the frames' times.
        bit: length of a bit as the receiver has it.
    """
    if abs(sent_bit / bit - 1) < TOLERANCE:
        return bytes(byte for _, byte in frames), bytes(len(frames))
    starts = [start for start, _ in frames]
    result, framing = bytearray(), bytearray()
    now = float("-inf")
    while (edge := _next_fall(frames, starts, sent_bit, now)) is not None:
        if _level(frames, starts, sent_bit, edge + 0.5 * bit):  # too short for a start bit
            now = edge + 0.5 * bit
            continue
        bits = (_level(frames, starts, sent_bit, edge + (1.5 + n) * bit) << n for n in range(8))
        result.append(sum(bits))
        now = edge + (FRAME_BITS - 0.5) * bit
        framing.append(1 - _level(frames, starts, sent_bit, now))
    return bytes(result), bytes(framing)


def back_to_back(data: bytes, *, sent_bit: float) -> list[tuple[float, int]]:
    """Frames without a pause between them."""
    return [(n * FRAME_BITS * sent_bit, byte) for n, byte in enumerate(data)]


def _bits(byte: int) -> int:
    return 1 << 9 | byte << 1  # stop, data, start


def _level(frames: Sequence[tuple[float, int]], starts: list[float], sent_bit: float, at: float) -> int:
    index = bisect_right(starts, at) - 1
    if index < 0:
        return 1
    place = int((at - starts[index]) / sent_bit)
    return _bits(frames[index][1]) >> place & 1 if place < FRAME_BITS else 1


def _next_fall(frames: Sequence[tuple[float, int]], starts: list[float], sent_bit: float, after: float) -> float | None:
    """When the line next goes from high to low."""
    for index in range(max(0, bisect_right(starts, after) - 1), len(frames)):
        start, byte = frames[index]
        bits = _bits(byte) << 1 | 1  # the line is high before the start bit
        for place in range(FRAME_BITS):
            if bits >> place & 3 == 1 and start + place * sent_bit > after:
                return start + place * sent_bit
    return None
