"""What a receiver reads at another baud rate than the sender's (datasheet 20.8)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from plantkeeper_sim.paced.line import back_to_back, received

FAST, SLOW = 1 / 115_200, 1 / 9_600


def hear(data: bytes, *, sent_bit: float, bit: float) -> bytes:
    return received(back_to_back(data, sent_bit=sent_bit), sent_bit=sent_bit, bit=bit)[0]


@settings(derandomize=True)
@given(st.binary(max_size=64), st.floats(0.9615, 1.0399))
def test_bytes_arrive_where_the_rates_nearly_agree(data: bytes, ratio: float) -> None:
    assert hear(data, sent_bit=FAST * ratio, bit=FAST) == data


@settings(derandomize=True)
@given(st.binary(min_size=1, max_size=32), st.sampled_from((0.25, 0.5, 0.9, 1.1, 2.0, 4.0, 12.0)))
def test_sampling_ends_whatever_the_rates(data: bytes, ratio: float) -> None:
    assert len(hear(data, sent_bit=FAST * ratio, bit=FAST)) <= len(data) * max(1, 5 * ratio)


def test_a_line_heard_too_fast() -> None:
    """A receiver waits for a falling edge: 0xF0 at 9600 has one, its start bit's, 0x55 has five."""
    assert hear(b"\xf0", sent_bit=SLOW, bit=FAST) == b"\0"
    assert hear(b"\xf0\xf0", sent_bit=SLOW, bit=FAST) == b"\0\0"
    assert hear(b"\x55", sent_bit=SLOW, bit=FAST) == bytes(5)


def test_a_line_heard_at_half_the_rate() -> None:
    """U is 0101…: sampled every second bit."""
    line = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]  # start, 0x55 from its lowest bit, stop
    sampled = [line[place] if place < len(line) else 1 for place in range(2, 18, 2)]
    assert hear(b"U", sent_bit=FAST, bit=2 * FAST * 0.999) == bytes([sum(bit << n for n, bit in enumerate(sampled))])


def test_the_exact_sampler_agrees_with_the_short_cut_at_its_border() -> None:
    data = bytes(range(256))
    assert hear(data, sent_bit=FAST * 1.0401, bit=FAST) == hear(data, sent_bit=FAST * 0.9599, bit=FAST) == data


def test_a_pause_between_frames_resynchronises() -> None:
    frames = [(0.0, 0x00), (1.0, 0x41)]
    first, second = (received([frame], sent_bit=FAST / 1.9, bit=FAST)[0] for frame in frames)
    assert received(frames, sent_bit=FAST / 1.9, bit=FAST)[0] == first + second


def test_a_low_stop_bit_is_told() -> None:
    """A slow line is still low where a fast receiver expects the stop bit; a fast one is high again."""
    assert received(back_to_back(b"\x00", sent_bit=SLOW), sent_bit=SLOW, bit=FAST) == (b"\0", b"\1")
    assert received(back_to_back(b"\x00", sent_bit=FAST / 2), sent_bit=FAST / 2, bit=FAST)[1] == b"\0"
    assert received(back_to_back(b"ab", sent_bit=FAST), sent_bit=FAST, bit=FAST) == (b"ab", b"\0\0")
