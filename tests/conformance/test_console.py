"""The console on the emulated board: golden transcripts, what a command does, and power cuts while it stores."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.parts.dht11 import Dht11Fault
from plantkeeper_sim.provision import BoardConfig, eeprom_image

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "contract" / "console").glob("*.txt"))
REPLY_DEADLINE_S = 10.0
STEP_S = 0.01
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"
REFUSED, STORED = BROKEN.replace(b"500", b"400"), BROKEN.replace(b"500", b"200")
SEAL = re.compile(rb"pk-seal:([0-9a-f]{16})")


def replies(board: UnoBoard) -> list[str]:
    return [text for _, text in board.lines if not text.startswith("!")]


def tell(board: UnoBoard, line: str) -> None:
    board.mcu.uart.feed(line.encode() + b"\r\n")
    board.run_for(0.5)


def ask(board: UnoBoard, line: str) -> str:
    before = len(replies(board))
    board.mcu.uart.feed(line.encode() + b"\n")
    deadline_s = board.mcu.time_s + REPLY_DEADLINE_S
    while len(replies(board)) == before:
        assert board.mcu.time_s < deadline_s, f"no reply to {line!r}"
        board.run_for(STEP_S)
    [reply] = replies(board)[before:]
    return reply


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_golden_transcript(transcript: Path, board: UnoBoard) -> None:
    board.run_for(5)
    lines = [line for line in transcript.read_text().splitlines() if not line.startswith("#")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("> ") and following.startswith("< "):
            reply = ask(board, line[2:])
            expected = re.escape(following[2:]).replace(r"\{firmware\}", r"0\.1\.0\+[0-9a-z.]+\.elf-[0-9a-f]{16}")
            assert re.fullmatch(expected, reply), (line, reply)
        elif line.startswith("> "):
            before = len(replies(board))
            tell(board, line[2:])
            assert replies(board)[before:] == [], line


def test_the_identity_names_the_elf(board: UnoBoard, firmware: BuildResult) -> None:
    content = firmware.elf.read_bytes()
    seals = SEAL.findall(content)
    blank = SEAL.sub(b"pk-seal:" + b"0" * 16, content)
    assert seals == [hashlib.sha256(blank).hexdigest()[:16].encode()]
    board.run_for(1)
    assert ask(board, "*IDN?").endswith(f".elf-{seals[0].decode()}")


def test_read_measures_and_takes_nothing(board: UnoBoard, scripted: Any) -> None:
    board.run_for(5)
    sent = len(scripted.requests)
    temperature, humidity, light = map(float, ask(board, "READ?").split(","))
    assert temperature == board.dht11.history[-1].temperature_c
    assert 0 <= humidity <= 100
    assert 0 <= light <= 2000
    assert (len(board.events_named("taken")), len(scripted.requests)) == (1, sent)


def test_post_takes_a_reading_and_delivers_it(board: UnoBoard, scripted: Any) -> None:
    board.run_for(5)
    assert ask(board, "POST?") == "1-2,200"
    assert [e.fields["key"] for e in board.events_named("delivered")] == ["1-1", "1-2"]
    assert b'Idempotency-Key: "1-2"' in scripted.requests[-1]
    assert ask(board, "STAT?").startswith("1,2,2,0,0,")


def test_post_tells_that_nobody_answered_and_the_reading_waits(board: UnoBoard) -> None:
    board.run_for(5)
    board.w5500.link_up = False
    assert ask(board, "POST?") == "1-2,0"
    assert ask(board, "STAT?").split(",")[1:5] == ["2", "1", "0", "1"]
    board.w5500.link_up = True
    board.run_for(10)
    assert ask(board, "STAT?").split(",")[1:5] == ["2", "2", "0", "0"]


def test_failing_sensors_are_told_by_bits_and_numbers(board: UnoBoard) -> None:
    board.run_for(5)
    board.dht11.fault, board.soil.unplugged = Dht11Fault.SILENT, True
    assert ask(board, "*TST?") == "5"
    assert ask(board, "SYST:ERR?") == '-330,"Self-test failed"'
    assert ask(board, "READ?") == "9.91E37,9.91E37,9.91E37"
    assert ask(board, "SYST:ERR?") == '-240,"Hardware error"'
    assert ask(board, "POST?") == "0-0,0"


def test_a_missing_w5500_fails_the_self_test(board: UnoBoard) -> None:
    board.mcu.spi.attach(lambda _mosi: 0xFF)
    board.run_for(5)
    assert ask(board, "*TST?") == "8"


def test_rst_restarts_through_the_watchdog(board: UnoBoard) -> None:
    board.run_for(1)
    tell(board, "*RST")
    assert [(e.fields["boot"], e.fields["cause"]) for e in board.events_named("boot")] == [("1", "0x01"), ("2", "0x08")]
    board.run_for(5)
    assert [e.fields["key"] for e in board.events_named("delivered")] == ["2-1"]


EVENTS_OF = {
    "ERROR": {"dropped"},
    "WARNING": {"dropped", "undelivered"},
    "INFO": {"dropped", "undelivered", "taken", "delivered"},
    "DEBUG": {"dropped", "undelivered", "taken", "delivered", "state"},
}


@pytest.mark.parametrize("level", EVENTS_OF)
def test_events_are_said_up_to_the_level(level: str, new_board: Callable[..., UnoBoard], scripted: Any) -> None:
    board = new_board(period_s=60)
    board.run_for(5)
    tell(board, f"SYST:LOG:{level}")
    silent_from = len(board.events)
    scripted.answers = [STORED, BROKEN, REFUSED, STORED]
    board.run_for(180)
    assert {event.name for event in board.events[silent_from:]} == EVENTS_OF[level]
    assert len(scripted.requests) == 5  # delivered before; broken, refused, and two more
    tell(board, "*RST")
    board.run_for(5)
    assert [event.name for event in board.events[-3:]] == ["boot", "taken", "delivered"]


def test_debug_names_each_change_of_state_in_an_order_that_the_table_allows(board: UnoBoard) -> None:
    board.run_for(5)
    tell(board, "SYST:LOG:DEB")
    board.run_for(300)
    states = [event.fields["name"] for event in board.events_named("state")]
    assert states == ["sample", "link-up", "send", "sleep"]
    assert ask(board, "STAT?").split(",")[6] == "sleep"


def test_commands_are_heard_while_the_board_is_busy(board: UnoBoard) -> None:
    board.run_for(1.95)
    board.mcu.uart.feed(b"CONF:INT 60\nCONF:INT?\n*IDN?\n")
    board.run_for(3)
    assert replies(board)[0] == "60"
    assert replies(board)[1].startswith("PlantKeeper,uno,7,")


def test_an_unconfigured_board_is_set_up_over_the_console(new_board: Callable[..., UnoBoard], scripted: Any) -> None:
    board = new_board(eeprom=b"")
    board.run_for(2)
    assert ask(board, "*IDN?").startswith("PlantKeeper,uno,0,")
    assert ask(board, "POST?") == "0-0,0"
    assert ask(board, "SYST:ERR?") == '-221,"Settings conflict"'
    tell(board, "CONF:DEV:ID 7")
    tell(board, "CONF:SAVE")
    assert board.mcu.eeprom[128:208] == eeprom_image(BoardConfig(7))[128:208]
    tell(board, "*RST")
    board.run_for(5)
    assert [e.fields["key"] for e in board.events_named("delivered")] == ["2-1"]


def eeprom_while_it_saves(board: UnoBoard) -> list[bytes]:
    """What the EEPROM holds after each byte that CONF:SAVE writes; a byte takes 3.4 ms."""
    held = [board.mcu.eeprom]
    board.mcu.uart.feed(b"CONF:SAVE\n")
    for _ in range(400):
        board.run_for(0.001)
        if board.mcu.eeprom != held[-1]:
            held.append(board.mcu.eeprom)
    return held


@pytest.mark.slow
@pytest.mark.parametrize("saves_before", [0, 1, 2])
def test_a_power_cut_at_any_write_leaves_the_old_or_the_new_configuration(
    new_board: Callable[..., UnoBoard], saves_before: int
) -> None:
    board = new_board()
    board.run_for(5)
    old = 300
    for period in range(60, 60 + 4 * saves_before, 4):
        tell(board, f"CONF:INT {period}")
        tell(board, "CONF:SAVE")
        old = period
    tell(board, "CONF:DEV:ID 99999999")
    tell(board, "CONF:NET:IP 10.1.2.3")
    tell(board, f"CONF:KEY 9,{'a5' * 32}")
    tell(board, "CONF:INT 4000")
    held = eeprom_while_it_saves(board)
    assert len(held) > 40  # bytes that are the same already are not written
    found = []
    for before, after in zip(held, [*held[1:], held[-1]], strict=True):
        at = next((i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]), 128)
        for torn in {before[at], 0xFF, 0x00, before[at] & after[at]} if before != after else {before[at]}:
            eeprom = before[:at] + bytes([torn]) + before[at + 1 :]
            again = new_board(eeprom=eeprom)
            again.run_for(0.2)
            found.append((ask(again, "CONF:DEV:ID?"), ask(again, "CONF:INT?"), ask(again, "CONF:NET:IP?")))
            again.close()
    assert set(found) == {("7", str(old), "192.0.2.20"), ("99999999", "4000", "10.1.2.3")}
    assert found[-1][0] == "99999999"
