"""What the firmware does when all goes well, and what it does when something does not."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from plantkeeper_proxy.signature import verify
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.net import Fault
from plantkeeper_sim.parts.dht11 import Dht11Fault
from plantkeeper_sim.provision import BoardConfig, eeprom_image

STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"message":"stored"}'
LONGEST_BLOCK_S = 2.0


def names(board: UnoBoard) -> list[str]:
    return [event.name for event in board.events]


def fields(board: UnoBoard, name: str) -> list[dict[str, str]]:
    return [dict(event.fields) for event in board.events_named(name)]


def answer(status: int, more: str = "", body: bytes = b"{}") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def test_it_boots_takes_a_reading_and_delivers_it(board: UnoBoard, scripted: Any) -> None:
    board.run_for(5)
    assert names(board) == ["boot", "taken", "delivered"]
    [boot] = fields(board, "boot")
    assert (boot["id"], boot["boot"], boot["cause"]) == ("7", "1", "0x01")
    assert re.fullmatch(r"0\.1\.0\+\w+(\.dirty)?", boot["fw"])
    [taken] = board.events_named("taken")
    assert taken.cycles < 4 * board.mcu.clock_hz
    sensed = board.sensed(taken)
    assert taken.fields["temperature"] == str(sensed.temperature_c)
    body = json.loads(scripted.requests[0].partition(b"\r\n\r\n")[2])
    assert body == {"id": 7, **{name: int(taken.fields[name]) for name in ("temperature", "humidity", "light")}}
    assert b'Idempotency-Key: "1-1"\r\n' in scripted.requests[0]


def test_readings_start_a_period_apart_to_the_millisecond(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board(period_s=8)
    board.run_for(90)
    frames = [frame.cycles / board.mcu.clock_hz for frame in board.dht11.history]
    gaps = [later - earlier for earlier, later in itertools.pairwise(frames)]
    assert len(frames) == 11
    assert all(abs(gap - 8) < 0.001 for gap in gaps)


def test_the_cpu_sleeps_between_readings(board: UnoBoard) -> None:
    board.run_for(3600)
    assert board.mcu.awake_cycles / board.mcu.cycles < 0.001


def test_the_led_is_lit_while_it_works(board: UnoBoard) -> None:
    board.run_for(20)
    assert [level for _, level in board.led.edges] == [True, False, True, False]  # boot, work


def test_one_seed_gives_one_run_cycle_for_cycle(new_board: Callable[..., UnoBoard]) -> None:
    runs = []
    for _ in range(2):
        board = new_board(seed=5)
        board.run_for(1000)
        runs.append((board.lines, board.mcu.cycles, board.mcu.awake_cycles, board.led.edges))
    assert runs[0] == runs[1]
    other = new_board(seed=6)
    other.run_for(1000)
    assert other.lines != runs[0][0]


def test_the_boot_number_grows_with_every_reset(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board()
    board.run_for(3)
    board.mcu.reset()
    board.run_for(3)
    again = new_board(eeprom=board.mcu.eeprom)
    again.run_for(3)
    assert [(e["boot"], e["cause"]) for e in fields(board, "boot")] == [("1", "0x01"), ("2", "0x02")]
    assert [e["key"] for e in fields(board, "taken")] == ["1-1", "2-1"]
    assert fields(again, "boot")[0]["boot"] == "3"


@pytest.mark.parametrize("eeprom", [b"", eeprom_image(BoardConfig(7))[:150], bytes(1024)])
def test_a_board_without_a_configuration_says_so_and_posts_nothing(
    new_board: Callable[..., UnoBoard], eeprom: bytes, scripted: Any
) -> None:
    board = new_board(eeprom=eeprom)
    board.run_for(600)
    assert names(board) == ["boot", "unconfigured"]
    assert fields(board, "boot")[0]["id"] == "0"
    assert board.led.lit
    assert scripted.requests == []


# ---- sensors that fail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Dht11Fault.SILENT, "silent"), (Dht11Fault.CHECKSUM, "checksum"), (Dht11Fault.CUT_SHORT, "timing")],
)
def test_a_failing_dht11_skips_the_reading(board: UnoBoard, fault: Dht11Fault, reason: str, scripted: Any) -> None:
    board.dht11.fault = fault
    board.run_for(310)
    assert fields(board, "sensor") == [
        {"name": "dht11", "reason": reason, "failures": "1"},
        {"name": "dht11", "reason": reason, "failures": "2"},
    ]
    assert scripted.requests == []
    board.dht11.fault = Dht11Fault.NONE
    board.run_for(300)
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1"]


def test_a_silent_si1145_skips_the_reading(board: UnoBoard, scripted: Any) -> None:
    board.si1145.silent = True
    board.run_for(5)
    assert fields(board, "sensor") == [{"name": "si1145", "reason": "silent", "failures": "1"}]
    assert scripted.requests == []


def test_a_stuck_si1145_skips_the_reading_in_time(board: UnoBoard) -> None:
    board.si1145.stuck = True
    board.run_for(5)
    assert fields(board, "sensor") == [{"name": "si1145", "reason": "timeout", "failures": "1"}]


def test_an_unplugged_probe_skips_the_reading(board: UnoBoard) -> None:
    board.soil.unplugged = True
    board.run_for(5)
    assert fields(board, "sensor") == [{"name": "soil", "reason": "open", "failures": "1"}]


def test_all_sensors_failing_are_all_named(board: UnoBoard) -> None:
    board.dht11.fault, board.si1145.silent, board.soil.unplugged = Dht11Fault.SILENT, True, True
    board.run_for(5)
    assert [e["name"] for e in fields(board, "sensor")] == ["dht11", "si1145", "soil"]


# ---- answers that are not what they should be ----------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_final_refusal_drops_the_reading_by_name(board: UnoBoard, scripted: Any, status: int) -> None:
    scripted.answers = [answer(status), STORED]
    board.run_for(310)
    assert fields(board, "dropped") == [{"key": "1-1", "reason": "refused", "status": str(status), "drops": "1"}]
    assert [e["key"] for e in fields(board, "delivered")] == ["1-2"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(201, "status"), (302, "status"), (404, "status"), (408, "status"), (429, "busy"), (500, "status"), (503, "busy")],
)
def test_any_other_status_is_tried_again(board: UnoBoard, scripted: Any, status: int, reason: str) -> None:
    scripted.answers = [answer(status), STORED]
    board.run_for(10)
    assert fields(board, "undelivered") == [{"key": "1-1", "reason": reason, "status": str(status), "attempts": "1"}]
    assert fields(board, "delivered") == [{"key": "1-1", "status": "200", "attempts": "2"}]
    keys = [re.search(rb'Idempotency-Key: "(.*?)"', request)[1] for request in scripted.requests]  # type: ignore[index]
    assert keys == [b"1-1", b"1-1"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (None, "closed"),
        (b"", "closed"),
        (b"HTTP/1.1 20", "closed"),
        (b"SSH-2.0-OpenSSH\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "broken"),
    ],
)
def test_a_broken_answer_is_named_and_tried_again(
    board: UnoBoard, scripted: Any, broken: bytes | None, reason: str
) -> None:
    scripted.answers = [broken, STORED]
    board.run_for(10)
    assert [e["reason"] for e in fields(board, "undelivered")] == [reason]
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1"]


def test_a_swallowed_answer_times_out_and_the_key_is_the_same(board: UnoBoard, scripted: Any) -> None:
    board.network.fault_of = lambda index: Fault(swallow_answer=index == 1)
    board.run_for(10)
    assert [e["reason"] for e in fields(board, "undelivered")] == ["timeout"]
    assert fields(board, "delivered")[0]["attempts"] == "2"
    assert (
        scripted.requests[0].partition(b"Idempotency")[2][:12] == scripted.requests[1].partition(b"Idempotency")[2][:12]
    )


def test_a_slow_answer_within_two_seconds_is_heard(board: UnoBoard) -> None:
    board.network.fault_of = lambda _index: Fault(extra_latency_s=1.8)
    board.run_for(10)
    assert fields(board, "delivered") == [{"key": "1-1", "status": "200", "attempts": "1"}]


def test_an_answer_in_single_bytes_is_heard(board: UnoBoard) -> None:
    board.network.fault_of = lambda _index: Fault(trickle_bytes=1, trickle_gap_s=0.01)
    board.run_for(10)
    assert fields(board, "delivered") == [{"key": "1-1", "status": "200", "attempts": "1"}]


def test_an_answer_that_trickles_too_long_is_given_up_after_two_seconds(board: UnoBoard) -> None:
    board.network.fault_of = lambda index: Fault(trickle_bytes=1, trickle_gap_s=0.5) if index == 1 else Fault()
    board.run_for(12)
    first = board.network.exchanges[0]
    [failed] = board.events_named("undelivered")
    assert failed.fields["reason"] == "timeout"
    assert (failed.cycles - first.sent_cycles) / board.mcu.clock_hz < LONGEST_BLOCK_S + 0.5
    assert len(board.events_named("delivered")) == 1


# ---- networks that are not what they should be ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault(refuse=True), "connect"), (Fault(unreachable=True), "connect"), (Fault(lose_request=True), "timeout")],
)
def test_a_failing_connection_is_named_and_tried_again(board: UnoBoard, fault: Fault, reason: str) -> None:
    board.network.fault_of = lambda index: fault if index == 1 else Fault()
    board.run_for(10)
    assert [e["reason"] for e in fields(board, "undelivered")] == [reason]
    assert fields(board, "delivered")[0]["attempts"] == "2"


def test_no_attempt_blocks_longer_than_two_seconds(board: UnoBoard) -> None:
    board.network.fault_of = lambda _index: Fault(unreachable=True)
    board.run_for(20)
    failed = [event.cycles / board.mcu.clock_hz for event in board.events_named("undelivered")]
    opened = [exchange.opened_cycles / board.mcu.clock_hz for exchange in board.network.exchanges]
    assert len(failed) == len(opened) > 3
    assert all(end - begin < LONGEST_BLOCK_S for begin, end in zip(opened, failed, strict=True))


def test_without_a_link_readings_wait_and_go_out_in_order_with_their_age(board: UnoBoard, scripted: Any) -> None:
    board.w5500.link_up = False
    board.run_for(610)
    assert [e["key"] for e in fields(board, "taken")] == ["1-1", "1-2", "1-3"]
    assert {e["reason"] for e in fields(board, "undelivered")} == {"nolink"}
    board.w5500.link_up = True
    board.run_for(300)
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "1-2", "1-3", "1-4"]
    ages = [json.loads(request.partition(b"\r\n\r\n")[2]).get("age_s", 0) for request in scripted.requests]
    assert ages == [608, 308, 0, 0]  # an age below 10 s is not told


@pytest.mark.slow
def test_a_full_journal_drops_the_oldest_by_name(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board(period_s=60)
    board.w5500.link_up = False
    board.run_for(60 * 40 + 10)
    assert [e["key"] for e in fields(board, "taken")] == [f"1-{n}" for n in range(1, 42)]
    told = [{"key": f"1-{n}", "reason": "full", "status": "0", "drops": str(n)} for n in (1, 2)]
    assert fields(board, "dropped") == told
    board.w5500.link_up = True
    board.run_for(60)
    assert [e["key"] for e in fields(board, "delivered")] == [f"1-{n}" for n in range(3, 43)]


# ---- manners ---------------------------------------------------------------------------------------------------


def pauses_s(board: UnoBoard) -> list[float]:
    """Between the end of each attempt and the begin of the next."""
    ends = [event.cycles for event in board.events_named("undelivered")]
    begins = [exchange.opened_cycles for exchange in board.network.exchanges]
    return [(begin - end) / board.mcu.clock_hz for end, begin in zip(ends, begins[1:], strict=False)]


def test_pauses_double_up_to_five_minutes_and_end_with_the_outage(board: UnoBoard) -> None:
    board.network.fault_of = lambda index: Fault(refuse=index <= 11)
    board.run_for(1500)
    wholes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    pauses = pauses_s(board)
    assert len(pauses) == 11
    assert all(whole / 2 - 0.1 <= pause <= whole + 0.1 for whole, pause in zip(wholes, pauses, strict=True)), pauses
    assert [e["key"] for e in fields(board, "delivered")] == [e["key"] for e in fields(board, "taken")]


@pytest.mark.slow
def test_boards_do_not_return_in_step(new_board: Callable[..., UnoBoard]) -> None:
    """Twenty boards that lost the gateway at the same instant come back spread over their pauses."""
    returns = []
    for device_id in range(1, 21):
        board = new_board(device_id=device_id)
        board.network.fault_of = lambda _index: Fault(refuse=True)
        board.run_for(1000)
        returns.append(board.network.exchanges[-1].opened_cycles / board.mcu.clock_hz)
        board.close()
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(returns))]
    assert max(returns) - min(returns) > 100, sorted(returns)
    assert max(gaps) < 100, sorted(returns)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(board: UnoBoard, scripted: Any, status: int) -> None:
    scripted.answers = [answer(status, "Retry-After: 100\r\n"), answer(status, "retry-after:60\r\n"), STORED]
    board.run_for(290)
    first, second = pauses_s(board)
    assert 100 <= first <= 126
    assert 60 <= second <= 76
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_board_that_may_not_write_keeps_its_readings_and_asks_seldom(
    board: UnoBoard, scripted: Any, status: int
) -> None:
    scripted.answers = [answer(status)]
    board.run_for(1300)
    assert {e["reason"] for e in fields(board, "undelivered")} == {"unauthorised"}
    assert all(pause >= 149 for pause in pauses_s(board))
    scripted.answers = [STORED]
    board.run_for(310)
    assert [e["key"] for e in fields(board, "delivered")] == [e["key"] for e in fields(board, "taken")]


def test_a_cable_that_is_plugged_in_again_is_noticed_within_seconds(board: UnoBoard) -> None:
    board.w5500.link_up = False
    board.run_for(1000)
    board.w5500.link_up = True
    board.run_for(6)
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "1-2", "1-3", "1-4"]


# ---- buses that hang -------------------------------------------------------------------------------------------


def test_a_chip_that_holds_sda_is_clocked_free(board: UnoBoard) -> None:
    """It holds SDA until it has seen the rest of its byte: five clocks."""
    board.run_for(5)
    sda, scl, clocks = board.mcu.pin("PC4"), board.mcu.pin("PC5"), 0

    def count(level: bool, _cycles: int) -> None:
        nonlocal clocks
        clocks += level
        if clocks == 5:
            sda.drive(None)

    scl.watch(count)
    sda.drive(False)
    board.run_for(300)
    assert clocks >= 5
    assert fields(board, "sensor") == []
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "1-2"]


@pytest.mark.parametrize("wire", ["PC4", "PC5"])
def test_a_bus_that_stays_held_costs_a_reading_and_no_reset(board: UnoBoard, wire: str) -> None:
    board.run_for(5)
    board.mcu.pin(wire).drive(False)
    board.run_for(300)
    assert [(e["name"], e["reason"]) for e in fields(board, "sensor")] == [("si1145", "silent")]
    board.mcu.pin(wire).drive(None)
    board.run_for(300)
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "1-2"]
    assert len(board.events_named("boot")) == 1


# ---- watchdog ---------------------------------------------------------------------------------------------------


def endless_loop(board: UnoBoard) -> int:
    """Address of an instruction that jumps to itself (RJMP .-2)."""
    image = board.mcu.firmware.image
    return next(at for at in range(0, len(image), 2) if image[at : at + 2] == b"\xff\xcf")


def test_a_hang_ends_in_a_counted_reset(board: UnoBoard, scripted: Any) -> None:
    board.run_for(20)
    for hangs in (1, 2):
        hung_s, board.mcu.pc = board.mcu.time_s, endless_loop(board)
        board.run_for(20)
        assert fields(board, "hang")[-1] == {"state": "sleep", "hangs": str(hangs)}
        boot = board.events_named("boot")[-1]
        assert boot.fields["cause"] == "0x08"
        assert 4 < boot.cycles / board.mcu.clock_hz - hung_s < 9
    board.mcu.uart.feed(b"STAT?\n")
    board.run_for(1)
    assert board.lines[-1][1].endswith(",sleep,8,2,static,192.0.2.20")
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "2-1", "3-1"]


def test_a_bus_that_never_answers_in_the_middle_of_a_post_ends_in_a_counted_reset(
    board: UnoBoard, scripted: Any
) -> None:
    """SPI is switched off under the firmware: it waits for a byte that never ends."""
    transfers = 0
    w5500 = board.w5500.transfer

    def transfer(mosi: int) -> int:
        nonlocal transfers
        transfers += 1
        if transfers == 400:
            board.mcu.call_at(board.mcu.cycles, lambda: board.mcu.write_data(0x4C, b"\0"))
        return w5500(mosi)

    board.mcu.spi.attach(transfer)
    board.run_for(30)
    assert fields(board, "hang") == [{"state": "send", "hangs": "1"}]
    assert [e["key"] for e in fields(board, "delivered")] == ["1-1", "2-1"]


def test_a_restart_that_was_asked_for_is_no_hang(board: UnoBoard) -> None:
    board.run_for(5)
    board.mcu.uart.feed(b"*RST\n")
    board.run_for(5)
    assert len(board.events_named("boot")) == 2
    assert fields(board, "hang") == []


def test_a_missing_w5500_is_named(board: UnoBoard) -> None:
    board.mcu.spi.attach(lambda _mosi: 0xFF)
    board.run_for(30)
    assert "no_w5500" in names(board)
    assert len(board.events_named("taken")) == 1


# ---- states -----------------------------------------------------------------------------------------------------


def states_seen(board: UnoBoard, address: int, seconds: float) -> list[tuple[int, float]]:
    """States in their order, each with how long it was entered without a new sign of life."""
    seen: list[tuple[int, float]] = []
    since_s, before = board.mcu.time_s, board.mcu.read_data(address, 1)[0]
    for _ in range(round(seconds / 0.002)):
        board.run_for(0.002)
        state = board.mcu.read_data(address, 1)[0]
        if state != before:
            seen.append((before, board.mcu.time_s - since_s))
            since_s, before = board.mcu.time_s, state
    return [*seen, (before, board.mcu.time_s - since_s)]


@pytest.mark.slow
def test_the_board_keeps_to_the_table_of_states(
    new_board: Callable[..., UnoBoard], symbol: Callable[[str], int], pytestconfig: pytest.Config
) -> None:
    text = (pytestconfig.rootpath / "docs" / "firmware.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| (?:on|off|flash) \| (\d+ s|–) \|$", text, re.MULTILINE)
    names = [name for name, _, _ in rows]
    exits = {name: re.findall(r"[a-z-]+", followers) for name, followers, _ in rows}
    deadline_s = {name: float(limit[:-2]) for name, _, limit in rows if limit != "–"}
    board = new_board(period_s=20)
    faults = [Fault(), Fault(unreachable=True), Fault(swallow_answer=True), Fault(trickle_bytes=1, trickle_gap_s=0.4)]
    board.network.fault_of = lambda index: faults[index % len(faults)]
    visited = states_seen(board, symbol("current_state"), 90)
    board.w5500.link_up, board.dht11.fault, board.si1145.stuck = False, Dht11Fault.SILENT, True
    visited += states_seen(board, symbol("current_state"), 30)
    board.w5500.link_up, board.dht11.fault, board.si1145.stuck = True, Dht11Fault.NONE, False
    visited += states_seen(board, symbol("current_state"), 30)
    for (before, lasted_s), (after, _) in itertools.pairwise(visited):
        # a state that lasts less than 2 ms is not seen: what follows may be one state further
        further = {*exits[names[before]], *(n for e in exits[names[before]] if e == "link-up" for n in exits[e])}
        assert before == after or names[after] in further, (names[before], names[after])
        assert lasted_s <= deadline_s.get(names[before], lasted_s), names[before]
    assert {names[state] for state, _ in visited} >= set(names) - {"boot", "self-test", "configure"} - {"link-up"}


# ---- signatures -------------------------------------------------------------------------------------------------


def test_a_board_with_a_key_signs_as_the_gateway_verifies(new_board: Callable[..., UnoBoard], scripted: Any) -> None:
    key = bytes(range(32))
    board = new_board(key=key)
    board.run_for(310)
    assert len(scripted.requests) == 2
    for request in scripted.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        fields_of_head = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        headers = {name.lower(): value for name, value in fields_of_head.items()}
        assert verify("POST", "/sensor-data", headers, body, key).key_id == "7.1"
    assert key.hex() not in "".join(line for _, line in board.lines).lower()


# ---- calibration ------------------------------------------------------------------------------------------------


def test_calibration_from_the_console_counts_from_the_next_start(board: UnoBoard, scripted: Any) -> None:
    board.run_for(5)
    for line in (b"CONF:CAL:SOIL 1023,523", b"CONF:CAL:LIGHT 100,1100", b"CONF:SAVE", b"*RST"):
        board.mcu.uart.feed(line + b"\n")
        board.run_for(1)
    board.run_for(5)
    soil, light = board.soil.history[-1].adc_code, board.si1145.history[-1].count
    body = json.loads(scripted.requests[-1].partition(b"\r\n\r\n")[2])
    assert abs(body["humidity"] - (1023 - soil) / 5) < 2
    assert abs(body["light"] - (light - 100) * 2) <= 1


def test_a_sensor_that_stands_still_for_a_day_is_named_and_still_sent(new_board: Callable[..., UnoBoard]) -> None:
    board = new_board(period_s=1200)
    board.soil.unplugged = False
    board.mcu.adc.attach(0, lambda: 3.0)
    board.run_for(86_400 + 1300)
    assert fields(board, "stuck") == [{"name": "soil", "raw": "614"}]
    assert len(board.events_named("delivered")) == len(board.events_named("taken"))
