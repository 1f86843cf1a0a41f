"""What every board must do, whatever stands behind it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plantkeeper_hil.board.base import Board, Reset
from plantkeeper_hil.board.errors import BoardGoneError, BoardTimeoutError, CommandError
from plantkeeper_hil.firmware import BuildResult

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"message":"stored"}'


def test_it_says_which_firmware_it_runs(any_board: Board, firmware: BuildResult) -> None:
    identity = any_board.identity
    assert (identity.maker, identity.model, identity.device_id) == ("PlantKeeper", "uno", 7)
    assert identity.firmware == firmware.identity


def test_expect_goes_from_line_to_line(any_board: Board) -> None:
    first = any_board.expect(r"!taken key=(?P<key>\S+)", timeout_s=8)
    delivered = any_board.expect(r"!delivered key=(?P<key>\S+) status=200", timeout_s=4)
    second = any_board.expect(r"!taken key=(?P<key>\S+)", timeout_s=8)
    assert first["key"] == delivered["key"]
    assert first["key"].endswith("-1")
    assert second["key"].endswith("-2")


def test_what_came_before_a_reply_is_still_expected(any_board: Board) -> None:
    any_board.expect("!taken", timeout_s=8)
    any_board.scpi("*IDN?")
    any_board.expect("!delivered", timeout_s=4)


def test_a_line_that_never_comes_is_told_with_what_came_instead(any_board: Board) -> None:
    any_board.expect("!taken", timeout_s=8)
    with pytest.raises(BoardTimeoutError) as caught:
        any_board.expect("!no_such_event", timeout_s=0.5)
    message = str(caught.value)
    assert any_board.name in message
    assert "'!no_such_event' within 0.5 s" in message
    assert f"{any_board.events('taken')[0].fields['key']} temperature=" in message


def test_queries_are_answered_and_commands_carried_out(any_board: Board) -> None:
    assert any_board.scpi("*TST?") == "0"
    assert any_board.scpi("CONF:INT 60") == ""
    assert any_board.scpi("CONF:INT?") == "60"
    assert any_board.scpi("SYST:ERR?") == '0,"No error"'
    assert len(any_board.scpi("READ?").split(",")) == 3


def test_a_refused_command_has_scpis_number(any_board: Board) -> None:
    with pytest.raises(CommandError, match=any_board.name) as caught:
        any_board.scpi("CONF:INT 5")
    assert (caught.value.number, caught.value.text, caught.value.reply) == (-222, "Data out of range", "")
    with pytest.raises(CommandError) as caught:
        any_board.scpi("NONSENSE?")
    assert caught.value.number == -113
    assert any_board.scpi("SYST:ERR?") == '0,"No error"'


def test_an_unchecked_query_leaves_the_error_in_the_board(any_board: Board) -> None:
    assert any_board.scpi("NONSENSE", check=False) == ""
    assert any_board.scpi("SYST:ERR?") == '-113,"Undefined header"'


@pytest.mark.parametrize("how", list(Reset))
def test_a_reset_is_seen_by_its_boot(any_board: Board, how: Reset) -> None:
    any_board.expect("!taken", timeout_s=8)
    before = any_board.events("boot")
    boot = any_board.reset(how)
    causes = {Reset.WATCHDOG: "0x08", Reset.POWER: "0x01", Reset.DTR: "0x02", Reset.TOUCH_1200: "0x02"}
    assert boot.fields["cause"] in {causes[how], "0x00"}  # a boot loader clears it
    if before:
        assert int(boot.fields["boot"]) > int(before[-1].fields["boot"])
    taken = any_board.expect(r"!taken key=(\S+)", timeout_s=8)
    assert taken[1] == f"{boot.fields['boot']}-1"


def test_lines_carry_both_clocks(any_board: Board) -> None:
    any_board.expect("!taken", timeout_s=8)
    times_s = [line.time_s for line in any_board.lines]
    assert times_s == sorted(times_s)
    now = datetime.now(UTC)
    assert all(now - timedelta(seconds=60) < line.wall <= now for line in any_board.lines)


def body_of(request: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


def test_what_it_takes_it_posts(any_board: Board, scripted: Any) -> None:
    taken = any_board.expect(r"!taken key=(\S+) temperature=(\S+) humidity=(\S+) light=(\S+)", timeout_s=8)
    any_board.expect(rf"!delivered key={re.escape(taken[1])} status=200 attempts=1", timeout_s=4)
    [request] = [request for request in scripted.requests if b'Idempotency-Key: "%b"' % taken[1].encode() in request]
    assert request.startswith(b"POST /sensor-data HTTP/1.1\r\nHost: 192.0.2.10:8080\r\n")
    values = dict(zip(("temperature", "humidity", "light"), map(float, taken.groups()[1:]), strict=True))
    assert body_of(request) == {"id": 7, **values}


def test_what_the_gateway_refuses_for_now_is_posted_again(any_board: Board, scripted: Any) -> None:
    scripted.answers = [BUSY, STORED]
    failed = any_board.expect(r"!undelivered key=(\S+) reason=busy status=503 attempts=1", timeout_s=8)
    any_board.expect(rf"!delivered key={re.escape(failed[1])} status=200 attempts=2", timeout_s=30)
    first, second = (body_of(request) for request in scripted.requests[:2])
    assert second.pop("age_s", 0) >= 0
    assert first == second


def test_a_closed_board_says_so(any_board: Board) -> None:
    any_board.expect("!taken", timeout_s=8)
    any_board.close()
    any_board.close()
    with pytest.raises(BoardGoneError, match=any_board.name):
        any_board.scpi("*IDN?")
    with pytest.raises(BoardGoneError, match=any_board.name):
        any_board.expect("!no_such_event", timeout_s=5)
