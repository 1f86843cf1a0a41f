"""TWI master (datasheet chapter 22): status codes of tables 22-2 and 22-3, and the time that each action takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plantkeeper_sim.errors import NotModelledError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import MakeLab

RESPONSE = 4
BIT = 16 + 2 * 72  # TWBR = 72: 100 kHz at 16 MHz (22.5.2)
START, STOP, NEXT, NEXT_ACK = 0xA4, 0x94, 0x84, 0xC4


class Slave:
    """Acknowledges what it is told to, and writes down what it sees."""

    def __init__(self, *, acknowledge: bool = True, data: bytes = b"") -> None:
        self.log: list[object] = []
        self.acknowledge = acknowledge
        self.data = iter(data)

    def start(self, address: int, read: bool) -> bool:
        self.log.append(("start", address, read))
        return self.acknowledge

    def write(self, byte: int) -> bool:
        self.log.append(byte)
        return byte != 0xEE

    def read(self, ack: bool) -> int:
        self.log.append(("read", ack))
        return next(self.data)

    def stop(self) -> None:
        self.log.append("stop")


def program(*steps: tuple[int, int | None]) -> str:
    """Each step: (TWCR, TWDR or None); waits for TWINT and keeps the status in R1, R2, … and the data in R21, R22, …"""
    lines = ["main:", "    stsi TWBR, 72"]
    for number, (control, data) in enumerate(steps, start=1):
        if data is not None:
            lines.append(f"    stsi TWDR, {data}")
        lines.append(f"    stsi TWCR, {control}")
        if control != STOP:
            lines.append(
                f"1:  lds r16, TWCR\n    sbrs r16, 7\n    rjmp 1b\n"
                f"    lds r{number}, TWSR\n    lds r{number + 20}, TWDR"
            )
        else:
            lines.append("1:  lds r16, TWCR\n    sbrc r16, 4\n    rjmp 1b")
    return "\n".join([*lines, "done:", "    nop"])


def test_write_two_bytes(lab: MakeLab) -> None:
    slave = Slave()
    rig = lab(program((START, None), (NEXT, 0xC0), (NEXT, 0x11), (NEXT, 0xEE), (STOP, None)))
    rig.mcu.twi.attach(slave)
    rig.to("done", within=50_000)
    assert [rig[n] for n in range(1, 5)] == [0x08, 0x18, 0x28, 0x30]
    assert slave.log == [("start", 0x60, False), 0x11, 0xEE, "stop"]


def test_repeated_start_and_read(lab: MakeLab) -> None:
    slave = Slave(data=b"\x12\x34")
    rig = lab(
        program(
            (START, None), (NEXT, 0xC0), (NEXT, 0x05), (START, None), (NEXT, 0xC1), (NEXT_ACK, None), (NEXT, None),
            (STOP, None),
        )
    )  # fmt: skip
    rig.mcu.twi.attach(slave)
    rig.to("done", within=50_000)
    assert [rig[n] for n in range(1, 8)] == [0x08, 0x18, 0x28, 0x10, 0x40, 0x50, 0x58]
    assert (rig[26], rig[27]) == (0x12, 0x34)
    assert slave.log == [
        ("start", 0x60, False), 0x05, ("start", 0x60, True), ("read", True), ("read", False), "stop",
    ]  # fmt: skip


@pytest.mark.parametrize(("address", "status"), [(0xC0, 0x20), (0xC1, 0x48)], ids=["SLA+W", "SLA+R"])
def test_nobody_acknowledges(lab: MakeLab, address: int, status: int) -> None:
    """Without a bus, and with one that refuses."""
    for slave in (None, Slave(acknowledge=False)):
        rig = lab(program((START, None), (NEXT, address), (STOP, None)))
        if slave is not None:
            rig.mcu.twi.attach(slave)
        rig.to("done", within=50_000)
        assert (rig[1], rig[2]) == (0x08, status)


@pytest.mark.parametrize(("twbr", "prescaler"), [(72, 0), (12, 0), (10, 1), (3, 3)])
def test_times_and_interrupt(lab: MakeLab, twbr: int, prescaler: int) -> None:
    """22.5.2: SCL period 16 + 2 × TWBR × 4^TWPS; a byte and its acknowledge are nine of them."""
    rig = lab(
        f"""
    main:
        stsi TWBR, {twbr}
        stsi TWSR, {prescaler}
        sei
        stsi TWCR, 0xA5
    started:
        nops 6000
        .word 0xFFFF
    isr:
        inc r20
        cpi r20, 2
        breq second
        stsi TWDR, 0xC0
        stsi TWCR, 0x85
    addressed:
        reti
    second:
        lds r21, TWSR
        stsi TWCR, 0x04
        reti
    """,
        {"TWI": "isr"},
    )
    rig.mcu.twi.attach(Slave())
    bit = 16 + 2 * twbr * 4**prescaler
    at = rig.to("started")
    assert rig.to("TWI") == at + bit + RESPONSE
    addressed = rig.to("addressed")
    assert rig.to("TWI") == addressed + 9 * bit + RESPONSE
    rig.go(20)
    assert rig[21] == 0x18 | prescaler


def test_write_collision(lab: MakeLab) -> None:
    """22.9.2 TWWC: TWDR written while an action is under way."""
    rig = lab("""
    main:
        stsi TWBR, 72
        stsi TWCR, 0xA4
        stsi TWDR, 1
        lds r20, TWCR
    done:
        nop
    """)
    rig.to("done")
    assert rig[20] & 0x08


def test_start_waits_while_a_part_holds_the_data_line(lab: MakeLab) -> None:
    """22.8.1: a START is sent when the bus becomes free."""
    rig = lab(program((START, None)))
    sda = rig.mcu.pin("PC4")
    sda.drive(False)
    rig.go(20 * BIT)
    assert rig[1] == 0
    sda.drive(None)
    rig.to("done", within=3 * BIT)
    assert rig[1] == 0x08


def test_stop_without_the_bus_only_releases(lab: MakeLab) -> None:
    slave = Slave()
    rig = lab(program((STOP, None)))
    rig.mcu.twi.attach(slave)
    rig.to("done")
    assert slave.log == []


def test_data_after_a_refused_address_is_not_defined(lab: MakeLab) -> None:
    """Table 22-3: after SLA+R and NACK only START and STOP follow."""
    rig = lab(program((START, None), (NEXT, 0xC1), (NEXT, None)))
    with pytest.raises(NotModelledError, match=r"TWCR \(0xBC\) at PC 0x"):
        rig.go(50 * BIT)
