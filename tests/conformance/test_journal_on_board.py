"""Power cuts at every byte that the board writes into its EEPROM, and what the next boot makes of it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from plantkeeper_sim.board import UnoBoard

pytestmark = pytest.mark.slow
STEP_S = 0.001  # a byte takes 3.4 ms
SETTLE_S = 8.0


def keys(board: UnoBoard, name: str) -> list[str]:
    return [event.fields["key"] for event in board.events_named(name)]


def answered(scripted: Any) -> set[str]:
    """Keys that the gateway has; it always answers 200."""
    return {re.search(rb'Idempotency-Key: "(.*?)"', request)[1].decode() for request in scripted.requests}  # type: ignore[index]


def states_while(board: UnoBoard, seconds: float, scripted: Any) -> list[tuple[bytes, set[str], set[str]]]:
    """The EEPROM after each byte that is written, with the keys said to be taken and those answered by then."""
    held = [(board.mcu.eeprom, set(keys(board, "taken")), answered(scripted))]
    for _ in range(round(seconds / STEP_S)):
        board.run_for(STEP_S)
        if board.mcu.eeprom != held[-1][0]:
            held.append((board.mcu.eeprom, set(keys(board, "taken")), answered(scripted)))
    return held


def torn(before: bytes, after: bytes) -> set[bytes]:
    """What a cut within the byte's 3.4 ms leaves: the old value, an erased cell, some bits of the new one."""
    [at] = [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    values = {before[at], 0xFF, 0x00, after[at], before[at] & after[at], after[at] | 0x0F, after[at] | 0xF0}
    return {before[:at] + bytes([value]) + before[at + 1 :] for value in values}


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_a_cut_at_any_byte_while_a_reading_is_stored_and_delivered(
    new_board: Callable[..., UnoBoard], scripted: Any, waiting: int
) -> None:
    board = new_board(period_s=60)
    board.w5500.link_up = False
    board.run_for(60 * waiting + 0.9)
    assert len(keys(board, "taken")) == waiting
    board.w5500.link_up = True
    states = states_while(board, 3.5, scripted)
    assert len(set(keys(board, "delivered"))) == waiting + 1
    cuts = 0
    for (before, _, _), (after, taken, delivered) in itertools.pairwise(states):
        for eeprom in torn(before, after):
            again = new_board(eeprom=eeprom, period_s=60)
            again.run_for(SETTLE_S)
            sent = [key for key in keys(again, "delivered") if key.startswith("1-")]
            assert sent == sorted(sent)
            assert taken <= delivered | set(sent), f"lost: {taken - delivered - set(sent)}"
            assert set(sent) <= taken | {f"1-{waiting + 1}"}
            assert keys(again, "taken") == ["2-1"]
            assert keys(again, "delivered")[-1] == "2-1"
            again.close()
            cuts += 1
    assert cuts >= 80


def test_a_cut_at_any_byte_of_the_boot_counter_repeats_no_number(
    new_board: Callable[..., UnoBoard], scripted: Any
) -> None:
    """Boot 1 to 3 write both slots; each is cut at each byte, and the boots after the cut still count on."""
    eeprom, cuts = None, 0
    for boots in range(1, 4):
        board = new_board(eeprom=eeprom)
        states = states_while(board, 0.1, scripted)
        for (before, _, _), (after, _, _) in itertools.pairwise(states):
            for content in torn(before, after):
                numbers = []
                for _ in range(2):
                    again = new_board(eeprom=content)
                    again.run_for(0.2)
                    [boot] = again.events_named("boot")
                    numbers.append(int(boot.fields["boot"]))
                    content = again.mcu.eeprom  # noqa: PLW2901 - the next boot finds what this one left
                    again.close()
                    cuts += 1
                # a number that was not said, since its write was cut, may come again
                assert numbers[0] in {boots, boots + 1}
                assert numbers[1] == numbers[0] + 1
        eeprom = states[-1][0]
        board.close()
    assert cuts > 60


def test_readings_outlive_a_power_cut_and_tell_their_age(new_board: Callable[..., UnoBoard], scripted: Any) -> None:
    board = new_board()
    board.w5500.link_up = False
    board.run_for(700)
    again = new_board(eeprom=board.mcu.eeprom)
    again.w5500.link_up = False
    again.run_for(350)
    last = new_board(eeprom=again.mcu.eeprom)
    last.run_for(10)
    [boot] = last.events_named("boot")
    assert boot.fields["waiting"] == "5"
    assert keys(last, "delivered") == ["1-1", "1-2", "1-3", "2-1", "2-2", "3-1"]
    ages = [json.loads(request.partition(b"\r\n\r\n")[2]).get("age_s", 0) for request in scripted.requests]
    # nobody knows for how long a board had no power, nor for how long it ran after its last reading
    assert ages == [904, 604, 304, 300, 0, 0]


def test_values_are_those_that_were_taken_before_the_cut(new_board: Callable[..., UnoBoard], scripted: Any) -> None:
    board = new_board()
    board.w5500.link_up = False
    board.run_for(700)
    again = new_board(eeprom=board.mcu.eeprom)
    again.run_for(10)
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in scripted.requests[:3]]
    names = ("temperature", "humidity", "light")
    assert [[str(body[name]) for name in names] for body in sent] == [
        [event.fields[name] for name in names] for event in board.events_named("taken")
    ]


def test_a_board_that_ran_for_776_days_starts_anew_before_anything_wraps(
    new_board: Callable[..., UnoBoard], symbol: Callable[[str], int], scripted: Any
) -> None:
    board = new_board()
    board.run_for(5)
    first_due_tick = 2**24 - 1000 - 75
    board.mcu.write_data(symbol("tick_count"), first_due_tick.to_bytes(4, "little"))
    board.mcu.write_data(symbol("next_reading_tick"), first_due_tick.to_bytes(4, "little"))
    board.w5500.link_up = False
    board.run_for(280)
    board.w5500.link_up = True
    board.run_for(30)
    assert [event.fields["boot"] for event in board.events_named("boot")] == ["1", "2"]
    assert board.events_named("boot")[1].fields["cause"] == "0x08"
    assert keys(board, "delivered") == ["1-1", "1-2", "1-3", "2-1"]


@pytest.mark.parametrize("counter_days", [49.7, 49.71, 100, 248.5, 400])
def test_ages_are_right_wherever_a_millisecond_counter_would_wrap(
    new_board: Callable[..., UnoBoard], symbol: Callable[[str], int], scripted: Any, counter_days: float
) -> None:
    """Arduino's millis() wraps after 49.7 days; the board's tick does not. Time is moved on by hand."""
    board = new_board()
    board.run_for(5)
    tick = round(counter_days * 86_400 / 4) - 100
    board.mcu.write_data(symbol("tick_count"), tick.to_bytes(4, "little"))
    board.mcu.write_data(symbol("next_reading_tick"), (tick + 1).to_bytes(4, "little"))
    board.w5500.link_up = False
    board.run_for(700)
    board.w5500.link_up = True
    board.run_for(210)
    ages = [json.loads(request.partition(b"\r\n\r\n")[2]).get("age_s", 0) for request in scripted.requests]
    assert keys(board, "delivered") == [f"1-{n}" for n in range(1, 6)]
    assert ages[0] == ages[4] == 0
    assert [ages[1] - age for age in ages[1:4]] == [0, 300, 600]
    assert 0 < ages[3] < 120
