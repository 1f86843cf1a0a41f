"""Frames on the serial line: the firmware's code against the host's, on any bytes, with any byte lost or garbled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.board.frames import MAX_PAYLOAD, Frame, FrameSplitter, encode

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]
frames = st.builds(
    Frame,
    st.sampled_from("OERDAC"),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=MAX_PAYLOAD) | st.lists(st.sampled_from([0, 1, 255]), max_size=MAX_PAYLOAD).map(bytes),
)
texts = st.text(st.characters(min_codepoint=10, max_codepoint=126), max_size=60).map(str.encode)


def contents(frame: Frame) -> bytes:
    return bytes([ord(frame.kind), frame.connection, frame.sequence]) + frame.payload


def firmware_reads(ask: Ask, stream: bytes) -> tuple[bytes, list[bytes]]:
    words = ask(f"unframe {stream.hex()}").split()
    text = b"".join(bytes.fromhex(word[1:]) for word in words if word[0] == "t")
    return text, [bytes.fromhex(word[1:]) for word in words if word[0] == "f"]


@given(frames)
def test_both_sides_write_the_same_frame(ask: Ask, frame: Frame) -> None:
    assert bytes.fromhex(ask(f"frame {contents(frame).hex()}")) == encode(frame)


@given(st.lists(st.tuples(texts, frames), max_size=4))
def test_text_and_frames_come_apart_again(ask: Ask, pieces: list[tuple[bytes, Frame]]) -> None:
    stream = b"".join(text + encode(frame) for text, frame in pieces)
    text, sent = b"".join(text for text, _ in pieces), [frame for _, frame in pieces]
    assert FrameSplitter().feed(stream) == (text, sent)
    assert firmware_reads(ask, stream) == (text, [contents(frame) for frame in sent])


@given(frames, st.data())
def test_a_lost_or_garbled_byte_is_never_taken_for_a_frame(ask: Ask, frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame))
    at = data.draw(st.integers(0, len(wire) - 1))
    if data.draw(st.booleans()):
        del wire[at]
    else:
        wire[at] ^= data.draw(st.integers(1, 255))
    _, found = FrameSplitter().feed(bytes(wire))
    assert found == []
    assert firmware_reads(ask, bytes(wire))[1] == []


@given(st.binary(max_size=300))
def test_any_bytes_are_read_alike_and_break_nothing(ask: Ask, noise: bytes) -> None:
    text, found = FrameSplitter().feed(noise)
    assert firmware_reads(ask, noise) == (text, [contents(frame) for frame in found])


@given(frames, texts, st.integers(0, 80))
def test_after_a_frame_that_never_ends_the_next_is_read(ask: Ask, frame: Frame, text: bytes, cut: int) -> None:
    """At most the rest of its length is lost, then text is text again."""
    stream = encode(frame)[:cut].rstrip(b"\0") + b"x" * 80 + b"\0" + text + encode(frame)
    splitter = FrameSplitter()
    read, found = splitter.feed(stream)
    assert found[-1] == frame
    assert read.endswith(text)
    assert firmware_reads(ask, stream) == (read, [contents(one) for one in found])


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame of 73 bytes; at most 72"):
        encode(Frame("D", 1, 1, bytes(70)))
