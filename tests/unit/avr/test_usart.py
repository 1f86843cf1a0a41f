"""USART0, asynchronous (datasheet chapter 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
SLED = "nops 3000\n    .word 0xFFFF"


@pytest.mark.parametrize(
    ("ubrr", "u2x", "ucsrc", "bit_cycles", "bits"),
    [
        (8, 0, 0x06, 16 * 9, 10),  # 8N1
        (16, 2, 0x06, 8 * 17, 10),
        (0, 2, 0x26, 8, 11),  # 8E1
        (3, 0, 0x0E, 64, 11),  # 8N2
        (3, 0, 0x00, 64, 7),  # 5N1
    ],
    ids=["8N1", "U2X", "8E1", "8N2", "5N1"],
)
def test_frame_time(lab: MakeLab, ubrr: int, u2x: int, ucsrc: int, bit_cycles: int, bits: int) -> None:
    """Table 20-1: bit time 16 or 8 × (UBRR + 1) cycles; the byte is out at the end of its stop bit."""
    rig = lab(f"""
    main:
        stsi UBRR0L, {ubrr}
        stsi UCSR0A, {u2x}
        stsi UCSR0C, {ucsrc}
        stsi UCSR0B, 8
        stsi UDR0, 0x15
    sent:
        {SLED}
    """)
    at = rig.to("sent")
    rig.go(2000)
    assert rig.mcu.uart.take() == [(at + bits * bit_cycles, 0x15)]
    assert rig.mcu.uart.take() == []


def test_transmit_interrupts(lab: MakeLab) -> None:
    """20.6.3: UDRE asks while the buffer is empty; TXC after the last stop bit, cleared by its vector."""
    rig = lab(
        f"""
    main:
        stsi UBRR0L, 0
        stsi UCSR0B, 0x68
        sei
    ready:
        {SLED}
    empty:
        sts UDR0, r20
        inc r20
        cpi r20, 3
        brne 1f
        stsi UCSR0B, 0x48
    1:  reti
    complete:
        inc r21
        lds r22, UCSR0A
        reti
    """,
        {"USART_UDRE": "empty", "USART_TX": "complete"},
    )
    rig.to("ready")
    rig.go(1000)
    sent = rig.mcu.uart.take()
    assert [byte for _, byte in sent] == [0, 1, 2]
    first, second, third = (cycles for cycles, _ in sent)
    assert (second - first, third - second) == (160, 160)  # back to back
    assert (rig[21], rig[22] & 0x60) == (1, 0x20)


def test_receive(lab: MakeLab) -> None:
    """20.7: RXC one frame after the start bit; the vector is left by reading UDR0."""
    rig = lab(
        f"""
    main:
        stsi UBRR0L, 8
        stsi UCSR0B, 0x90
        sei
    ready:
        {SLED}
    isr:
        lds r20, UDR0
        lds r21, UCSR0A
        reti
    """,
        {"USART_RX": "isr"},
    )
    rig.to("ready")
    rig.go(7)
    at = rig.cycles
    rig.mcu.uart.feed(b"Z")
    assert rig.to("USART_RX") == at + 10 * 144 + RESPONSE
    rig.go(20)
    assert (rig[20], rig[21] & 0x80) == (ord("Z"), 0)


def test_three_bytes_are_kept_and_the_fourth_start_bit_overruns(lab: MakeLab) -> None:
    """20.11.2, DOR0: two in the buffer, one in the shift register; the next start bit loses that one, and the
    frame read after the gap tells it."""
    rig = lab("""
    main:
        stsi UBRR0L, 0
        stsi UCSR0B, 0x10
        nops 2000
        lds r20, UDR0
        lds r21, UDR0
        lds r24, UCSR0A
        lds r22, UDR0
        lds r23, UCSR0A
    done:
        nop
    """)
    rig.go(8)
    rig.mcu.uart.feed(b"abc")
    rig.go(600)
    rig.mcu.uart.feed(b"d")
    rig.to("done")
    assert bytes((rig[20], rig[21], rig[22])) == b"abd"
    assert rig[24] & 0x08
    assert not rig[23] & 0x80


def test_framing_errors_are_told_with_their_byte(lab: MakeLab) -> None:
    """20.11.2, FE0: valid until UDR0 is read; also of the byte that waited in the shift register."""
    rig = lab("""
    main:
        stsi UBRR0L, 0
        stsi UCSR0B, 0x10
        nops 1000
        lds r20, UCSR0A
        lds r0, UDR0
        lds r21, UCSR0A
        lds r0, UDR0
        lds r22, UCSR0A
        lds r23, UDR0
    done:
        nop
    """)
    rig.go(8)
    rig.mcu.uart.feed(b"abc", framing=b"\1\0\1")
    rig.to("done")
    assert [rig[register] & 0x90 for register in (20, 21, 22)] == [0x90, 0x80, 0x90]
    assert rig[23] == ord("c")


def test_three_bytes_without_a_fourth_are_all_read(lab: MakeLab) -> None:
    rig = lab("""
    main:
        stsi UBRR0L, 0
        stsi UCSR0B, 0x10
        nops 1000
        lds r20, UDR0
        lds r21, UDR0
        lds r24, UCSR0A
        lds r22, UDR0
    done:
        nop
    """)
    rig.go(8)
    rig.mcu.uart.feed(b"abc")
    rig.to("done")
    assert bytes((rig[20], rig[21], rig[22])) == b"abc"
    assert rig[24] & 0x88 == 0x80


def test_disabling_the_receiver_flushes(lab: MakeLab) -> None:
    """20.7.6: disabling the receiver loses what the buffer holds."""
    rig = lab("""
    main:
        stsi UCSR0B, 0x10
        nops 400
        stsi UCSR0B, 0
        lds r20, UCSR0A
    done:
        nop
    """)
    rig.go(5)
    rig.mcu.uart.feed(b"x")
    rig.to("done")
    assert rig[20] & 0x80 == 0


def test_lines_reach_their_watchers_and_a_long_input_is_queued(lab: MakeLab) -> None:
    """An echo of more bytes than the core's buffers hold, complete and in order."""
    rig = lab(
        """
    main:
        stsi UCSR0B, 0x98
        sei
    loop:
        rjmp loop
    isr:
        lds r20, UDR0
        sts UDR0, r20
        reti
    """,
        {"USART_RX": "isr"},
    )
    lines: list[bytes] = []
    rig.mcu.uart.watch_lines(lambda line, cycles: lines.append(line))
    text = [b"line %d" % number for number in range(400)]
    rig.go(10)
    rig.mcu.uart.feed(b"\r\n".join(text) + b"\r\n")
    rig.go(4100 * 160)
    assert lines == text


@pytest.mark.parametrize(
    ("register", "value"),
    [("UCSR0C", 0x46), ("UCSR0C", 0xC6), ("UCSR0C", 0x16), ("UCSR0B", 0x0C), ("UCSR0A", 0x01)],
    ids=["synchronous", "SPI", "reserved parity", "nine bits", "multi-processor"],
)
def test_not_modelled(lab: MakeLab, register: str, value: int) -> None:
    rig = lab(f"main: ldi r16, {value}\nhere: sts {register}, r16\n nop")
    with pytest.raises(NotModelledError, match=rf"{register} \(0xC\d\) at PC 0x{rig.address('here'):04X}"):
        rig.go(10)
