"""Power-down between readings: what it saves, and what it may not cost: time, console, network, watchdog."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.net import Fault

QUIET_S, HOUR_S, DAY_S = 600, 3600, 86_400
TICK, COUNT_S = 62_500, 64e-6  # counts of Timer 1, and how long each takes


@pytest.fixture
def board(new_board: Callable[..., UnoBoard]) -> UnoBoard:
    return new_board(deep_sleep=True)


def keys(board: UnoBoard, name: str) -> list[str]:
    return [event.fields["key"] for event in board.events_named(name)]


def reading_times_s(board: UnoBoard) -> list[float]:
    return [frame.cycles / board.mcu.clock_hz for frame in board.dht11.history]


def gaps_s(board: UnoBoard) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(reading_times_s(board))]


def say(board: UnoBoard, line: str) -> str | None:
    """Send a line; what is answered within ten seconds, as docs/console.md has it."""
    before = len(board.lines)
    board.mcu.uart.feed(line.encode() + b"\n")
    board.run_for(10)
    return next((text for _, text in board.lines[before:] if not text.startswith("!")), None)


def drift(board: UnoBoard, *, middle_hz: int, share: float) -> None:
    """Let the watchdog's oscillator go up and down by a share of its frequency in a day, a little every minute."""
    board.mcu.watchdog_hz = round(middle_hz * (1 + share * math.sin(2 * math.pi * board.mcu.time_s / DAY_S)))
    board.mcu.call_in(60, lambda: drift(board, middle_hz=middle_hz, share=share))


def until_it_sleeps_deep(board: UnoBoard) -> None:
    slept = board.mcu.powered_down_cycles
    for _ in range(2000):
        board.run_for(0.5)
        if board.mcu.sleeping and board.mcu.powered_down_cycles > slept:
            return
        slept = board.mcu.powered_down_cycles
    raise AssertionError("it never slept deep")


def test_it_is_off_where_nobody_set_it(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board()
    board.run_for(2 * HOUR_S)
    assert board.mcu.powered_down_cycles == 0


@pytest.mark.slow
def test_it_powers_down_for_most_of_a_day_and_delivers_everything(board: UnoBoard) -> None:
    board.run_for(QUIET_S - 10)
    assert board.mcu.powered_down_cycles == 0  # somebody who has just started it may want to talk to it
    board.run_for(DAY_S)
    assert board.mcu.powered_down_cycles / board.mcu.cycles > 0.92
    assert board.mcu.awake_cycles / board.mcu.cycles < 0.0002
    assert keys(board, "delivered") == keys(board, "taken")
    assert len(keys(board, "taken")) == 290
    assert [event.name for event in board.events if event.name in {"hang", "dropped", "undelivered"}] == []
    assert len(board.events_named("boot")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("watchdog_hz", [115_200, 128_000, 140_800])  # ±10 %
def test_an_oscillator_that_is_off_is_measured(board: UnoBoard, watchdog_hz: int) -> None:
    board.mcu.watchdog_hz = watchdog_hz
    board.run_for(DAY_S)
    assert all(abs(gap - 300) < 0.01 for gap in gaps_s(board))
    times = reading_times_s(board)
    assert abs(times[-1] - times[0] - 300 * (len(times) - 1)) < 1


@pytest.mark.slow
@pytest.mark.parametrize(("middle_hz", "share"), [(128_000, 0.03), (141_000, 0.05), (128_000, 0.1)])
def test_an_oscillator_that_drifts_is_followed(board: UnoBoard, middle_hz: int, share: float) -> None:
    """At 128 kHz and 3 % a tick comes just while the clock is put forward."""
    drift(board, middle_hz=middle_hz, share=share)
    board.run_for(DAY_S)
    steepest = share * 2 * math.pi / DAY_S * 300  # the most that it changes within a period
    assert all(abs(gap - 300) < 0.55 * steepest * 300 + 0.01 for gap in gaps_s(board))
    times = reading_times_s(board)
    assert abs(times[-1] - times[0] - 300 * (len(times) - 1)) < 1
    uptime_s = int((say(board, "STAT?") or say(board, "STAT?") or "").split(",")[5])
    assert abs(uptime_s - board.mcu.time_s) < 20


def test_the_first_line_wakes_it_and_the_second_is_answered(board: UnoBoard) -> None:
    board.run_for(HOUR_S)
    until_it_sleeps_deep(board)
    assert say(board, "CONF:INT?") is None
    assert say(board, "CONF:INT?") == "300"
    assert say(board, "SYST:ERR?") == '0,"No error"'  # nor is half a line left over
    slept = board.mcu.powered_down_cycles
    for _ in range(20):
        assert say(board, "CONF:DEV:ID?") == "7"
        board.run_for(50)
    assert board.mcu.powered_down_cycles == slept
    board.run_for(QUIET_S + 60)
    assert board.mcu.powered_down_cycles > slept


def test_what_is_sent_while_it_wakes_is_heard(board: UnoBoard) -> None:
    """It idles from a millisecond after the first start bit on, and answers when the watchdog's period is over."""
    board.run_for(HOUR_S)
    until_it_sleeps_deep(board)
    board.mcu.uart.feed(b"\r")
    board.run_for(0.002)
    assert say(board, "CONF:INT?") == "300"


def test_a_line_is_sent_to_its_end_before_it_sleeps(board: UnoBoard) -> None:
    board.run_for(2 * HOUR_S)
    said = [event.cycles for event in board.events_named("delivered")]
    answered = [exchange.received_cycles for exchange in board.network.exchanges]
    assert len(said) == len(answered) == 24
    assert all((at - heard) / board.mcu.clock_hz < 0.5 for heard, at in zip(answered, said, strict=True))


def test_a_single_character_wakes_it_too(board: UnoBoard) -> None:
    board.run_for(HOUR_S)
    until_it_sleeps_deep(board)
    board.mcu.uart.feed(b"\r")
    board.run_for(10)
    assert say(board, "CONF:INT?") == "300"


def test_waking_by_the_line_costs_no_time(board: UnoBoard) -> None:
    board.run_for(HOUR_S)
    for _ in range(5):
        until_it_sleeps_deep(board)
        board.mcu.uart.feed(b"\r")
        board.run_for(QUIET_S + 30)
    assert all(abs(gap - 300) < 0.01 for gap in gaps_s(board))


def until_a_deep_sleep_begins(board: UnoBoard) -> None:
    """At most 10 ms ago."""
    for _ in range(100_000):
        awake = board.mcu.awake_cycles
        board.run_for(0.01)
        woke, down = board.mcu.awake_cycles > awake, board.mcu.powered_down_cycles
        if woke and board.mcu.sleeping:
            board.run_for(0.0005)
            if board.mcu.powered_down_cycles > down:
                return
    raise AssertionError("it never slept deep")


def test_a_period_that_is_longer_than_was_measured(board: UnoBoard) -> None:
    """Woken by the line as soon as it sleeps, the board sees more of the period than the measured one had."""
    board.run_for(QUIET_S)
    for _ in range(12):  # in some of them just after a tick: then the clock cannot be put back by the difference
        until_a_deep_sleep_begins(board)
        board.mcu.watchdog_hz = 115_200  # counts from the next period on
        until_a_deep_sleep_begins(board)
        board.mcu.uart.feed(b"\r")
        board.mcu.watchdog_hz = 128_000
        board.run_for(10)
        uptime_s = int((say(board, "STAT?") or "").split(",")[5])
        assert abs(uptime_s - board.mcu.time_s) < 20
        board.run_for(QUIET_S + 5 * 60)  # until it has been measured again
    assert all(abs(gap - 300) < 2 for gap in gaps_s(board))


def test_what_waits_is_sent_as_soon_as_without(board: UnoBoard) -> None:
    """While readings wait, the board only idles: pauses, ages and a cable that is plugged in again are as ever."""
    board.run_for(2 * HOUR_S)
    board.network.fault_of = lambda _index: Fault(refuse=True)
    board.run_for(400)
    slept = board.mcu.powered_down_cycles
    board.run_for(400)
    assert board.mcu.powered_down_cycles == slept
    board.w5500.link_up = False
    board.run_for(600)
    board.network.fault_of = lambda _index: Fault()
    board.w5500.link_up = True
    board.run_for(6)
    assert keys(board, "delivered") == keys(board, "taken")


@pytest.mark.slow
def test_a_tick_that_comes_while_the_clock_is_put_forward_counts_once(
    board: UnoBoard, symbol: Callable[[str], int]
) -> None:
    """Timer 1 is moved in each sleep, so that a tick is near when the board wakes. It puts its clock forward by what
    Timer 1 did not see of the period, so it takes the move back, and the clock stays right."""
    mcu, tick_count = board.mcu, symbol("tick_count")
    mcu.watchdog_hz = 127_771  # no multiple of Timer 1's: the board wakes in every phase of it
    machine = mcu._machine  # only here can a timer be put where it takes a day to come by itself
    timer = machine.timer[1]
    places = itertools.cycle(TICK - 20 + n for n in range(8))  # 16 counts go by until the clock runs again

    def error_s() -> float:
        """Of the board's clock, at the last time that the timer was looked at."""
        ticks = int.from_bytes(mcu.read_data(tick_count, 4), "little")
        looked_at_s = (timer.synced + machine.io_stopped) / mcu.clock_hz
        return float((ticks * TICK + timer.tcnt) * COUNT_S - looked_at_s)

    board.run_for(QUIET_S + 60)
    sleeps, is_moved, errors_s = 0, False, []
    while sleeps < 600:
        down = mcu.powered_down_cycles
        board.run_for(0.5)
        slept_s = (mcu.powered_down_cycles - down) / mcu.clock_hz
        if slept_s == 0:  # it idles, as in each 33rd period: the clock must be right
            errors_s.append(error_s())
        elif slept_s < 0.5:
            is_moved = False
        elif not is_moved:
            sleeps, is_moved, timer.tcnt = sleeps + 1, True, next(places)
    assert len(errors_s) > 100
    assert max(errors_s) - min(errors_s) < 0.5


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_hang_still_ends_in_a_counted_reset(board: UnoBoard, seconds: float) -> None:
    board.run_for(HOUR_S)
    until_it_sleeps_deep(board)
    board.run_for(seconds)
    image = board.mcu.firmware.image
    hung_s = board.mcu.time_s
    board.mcu.pc = next(at for at in range(0, len(image), 2) if image[at : at + 2] == b"\xff\xcf")  # RJMP to itself
    board.run_for(30)
    [hang] = board.events_named("hang")
    assert hang.fields == {"state": "sleep", "hangs": "1"}
    assert 4 < hang.cycles / board.mcu.clock_hz - hung_s < 18
    board.run_for(300)
    assert keys(board, "delivered") == keys(board, "taken")


def test_a_lease_is_renewed_all_the_same(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board(deep_sleep=True, dhcp=True)
    board.dhcp_server.lease_s = HOUR_S
    drift(board, middle_hz=118_000, share=0.05)
    board.run_for(12 * HOUR_S)
    assert board.mcu.powered_down_cycles / board.mcu.cycles > 0.85
    assert board.events_named("noaddress") == []
    assert len(board.events_named("address")) >= 24
    assert keys(board, "delivered") == keys(board, "taken")


def test_a_period_that_is_too_short_for_it(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board(deep_sleep=True, period_s=12)
    board.run_for(2 * QUIET_S)
    assert board.mcu.powered_down_cycles == 0
    assert all(abs(gap - 12) < 0.001 for gap in gaps_s(board))
