"""The whole firmware of the MKR WiFi 1010 on the host: from the sensors' wires to requests that leave the module."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from mkr_board import Bench, Board, Cause, configure

pytestmark = [pytest.mark.sanitize]

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nRetry-After: 30\r\nConnection: close\r\n\r\n{}"
REFUSED = b"HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def keys(board: Board, event: str) -> list[str]:
    return [fields["key"] for fields in board.events(event)]


def posted(board: Board) -> list[str]:
    return [
        next(line.split('"')[1] for line in content.decode().split("\r\n") if line.startswith("Idempotency-Key"))
        for _, _, content in board.requests
    ]


def test_a_board_that_nobody_configured_says_so_and_posts_nothing(bench: Bench) -> None:
    board = bench.start()
    board.run(400)
    assert board.events("unconfigured") == [{}]
    assert board.events("boot")[0].items() >= {"id": "0", "boot": "1", "cause": "0x01"}.items()
    assert board.requests == []
    assert board.led


def test_readings_reach_the_gateway(configured: Bench) -> None:
    board = configured.start()
    board.do("dht11 ok 23 40")
    board.do("soil 861")
    board.do("light 480")
    board.run(200)
    assert keys(board, "taken") == ["2-1", "2-2", "2-3", "2-4"]
    assert keys(board, "delivered") == keys(board, "taken")
    assert posted(board) == keys(board, "taken")
    head, _, body = board.requests[0][2].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /sensor-data HTTP/1.1\r\nHost: 192.0.2.10:8080\r\nUser-Agent: PlantKeeper/0.1.0\r\n")
    assert json.loads(body) == {"id": 7, "temperature": 23, "humidity": 50, "light": 1000}
    assert board.requests[0][1] == "192.0.2.10:8080"
    assert not board.led


@pytest.mark.parametrize("name", ["board_post", "signed_post"])
def test_a_request_is_the_contract_s_to_the_byte(bench: Bench, pytestconfig: pytest.Config, name: str) -> None:
    """Reading 42 of boot 3, as in tests/contract."""
    board = bench.start()
    configure(board)
    board.send("CONF:INT 4")
    if name == "signed_post":
        board.send(f"CONF:KEY 1,{bytes(range(32)).hex()}")
    board.send("CONF:SAVE")
    bench.start()
    third = bench.start()
    third.do("soil 894")
    third.do("light 448")
    third.run(42 * 4 + 2)
    golden = (pytestconfig.rootpath / "tests" / "contract" / f"{name}.http").read_bytes()
    assert golden in [content for _, _, content in third.requests]


def test_a_reading_is_due_at_the_same_moment_of_each_period(configured: Bench) -> None:
    board = configured.start()
    board.run(1000)
    times = [at_ms for at_ms, _, _ in board.requests][1:]  # the first one waits until the network is joined
    assert {round((after - before) / 100) for before, after in pairwise(times)} == {600}


@pytest.mark.slow
def test_time_goes_on_where_the_microseconds_wrap(configured: Bench) -> None:
    board = configured.start()
    board.run(4 * 3600)
    assert int(board.send("STAT?").split(",")[5]) in range(4 * 3600, 4 * 3600 + 8)
    assert len(board.requests) == 4 * 60 + 1


def test_who_it_is(configured: Bench) -> None:
    seal = "0" * 16
    assert configured.start().send("*IDN?") == f"PlantKeeper,mkrwifi1010,7,0.1.0+abc1234567.elf-{seal}"


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (Cause.POWER_ON, "0x01"),
        (Cause.RESET_PIN, "0x02"),
        (Cause.BROWN_OUT_33, "0x04"),
        (Cause.PROGRAM, "0x10"),
    ],
)
def test_why_it_started(configured: Bench, cause: Cause, said: str) -> None:
    assert configured.start(cause).events("boot")[0]["cause"] == said


def test_it_restarts_when_asked(configured: Bench) -> None:
    board = configured.start()
    board.send("*RST")
    assert board.ended == "program"
    again = configured.start(Cause.PROGRAM)
    assert again.events("boot")[0]["boot"] == "3"
    assert again.events("hang") == []


class TestPort:
    """USB: nobody hears what is said before a host opens the port."""

    def start(self, bench: Bench) -> Board:
        board = bench.powered()
        board.do("port closed")
        board.do("start")
        return board

    def test_the_start_is_heard_by_who_opens_the_port_later(self, configured: Bench) -> None:
        board = self.start(configured)
        board.run(100)
        assert board.console == ""
        board.do("port open")
        board.run(1)
        assert [line.split()[0] for line in board.console.split("\r\n") if line][:3] == [
            "!boot",
            "!taken",
            "!undelivered",
        ]
        board.run(60)
        assert keys(board, "delivered")[-1] == "2-3"

    def test_a_command_finds_the_start_before_its_reply(self, configured: Bench) -> None:
        board = self.start(configured)
        board.do("port open")
        board.do(f"type {b'*TST?'.hex()}0a")
        lines = [line for line in board.console.split("\r\n") if line]
        assert (lines[0].split()[0], lines[1]) == ("!boot", "0")

    def test_whole_lines_are_kept_as_many_as_fit(self, configured: Bench) -> None:
        board = self.start(configured)
        board.run(3600)
        board.do("port open")
        board.run(1)
        kept, _, _ = board.console.partition("!taken key=2-61")  # said since
        assert 400 < len(kept) <= 512
        assert kept.endswith("\r\n")
        board.run(60)
        assert len(board.events("taken")) < 60  # the hour's others were not kept
        assert keys(board, "taken")[-1] == "2-62"

    def test_a_hang_is_told_to_who_opens_the_port_after_the_reset(self, configured: Bench) -> None:
        board = configured.start()
        board.do("module hang")
        board.run(100)
        again = configured.powered(Cause.WATCHDOG)
        again.do("port closed")
        again.do("start")
        again.run(2)
        again.do("port open")
        again.run(1)
        assert [fields["state"] for fields in again.events("hang")] == ["send"]


class TestWifiSettings:
    def test_the_name_is_told_and_the_passphrase_is_not(self, configured: Bench) -> None:
        board = configured.start()
        assert board.send("CONF:WIFI:SSID?") == '"greenhouse"'
        assert board.send("CONF:WIFI:PASS?") == ""
        assert board.send("SYST:ERR?").startswith("-113")
        assert "correct horse" not in board.console

    def test_a_board_without_a_network_s_name_is_not_saved(self, bench: Bench) -> None:
        board = bench.start()
        board.send("CONF:DEV:ID 7")
        board.send("CONF:SAVE")
        assert board.send("SYST:ERR?") == '-221,"Settings conflict"'

    def test_changes_count_from_the_next_start_on(self, configured: Bench) -> None:
        board = configured.start()
        board.send('CONF:WIFI:SSID "elsewhere"')
        board.send("CONF:SAVE")
        board.run(100)
        assert len(board.requests) == 2
        again = configured.start()
        assert again.send("CONF:WIFI:SSID?") == '"elsewhere"'
        again.run(100)
        assert again.requests == []

    def test_defaults_forget_the_network(self, configured: Bench) -> None:
        board = configured.start()
        board.send("CONF:LOAD:DEF")
        assert board.send("CONF:WIFI:SSID?") == '""'

    def test_a_wrong_passphrase_is_no_link(self, configured: Bench) -> None:
        board = configured.start()
        board.send('CONF:WIFI:PASS "wrong horse"')
        board.send("CONF:SAVE")
        again = configured.start()
        again.run(100)
        assert {fields["reason"] for fields in again.events("undelivered")} == {"nolink"}


class TestNetwork:
    def test_the_module_leases_its_address_where_dhcp_is_on(self, configured: Bench) -> None:
        board = configured.start()
        board.run(10)
        board.send("CONF:NET:DHCP ON")
        board.send("CONF:SAVE")
        again = configured.start()
        again.run(10)
        assert (set(board.joined_with), set(again.joined_with)) == ({"fixed"}, {"leased"})
        assert keys(again, "delivered") == keys(again, "taken")

    def test_joining_does_not_hold_the_board_up(self, configured: Bench) -> None:
        board = configured.start()
        assert board.now_us < 1_000_000
        board.run(2.1)
        assert keys(board, "taken") == ["2-1"]

    def test_readings_wait_for_the_network_and_go_at_once_when_it_is_back(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        board.do("network down")
        board.run(250)
        delivered = keys(board, "delivered")
        assert len(delivered) == 1
        assert {fields["reason"] for fields in board.events("undelivered")[-4:]} == {"nolink"}
        board.do("network up")
        board.run(30)  # joins again within 20 s, and takes 3
        assert keys(board, "delivered") == keys(board, "taken")
        ages = [json.loads(content.partition(b"\r\n\r\n")[2]).get("age_s", 0) for _, _, content in board.requests]
        assert ages[1:] == sorted(ages[1:], reverse=True)
        assert ages[1] >= 200

    def test_a_network_that_vanishes_while_an_answer_is_due(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        board.peer("silent")
        board.run(60)
        assert board.events("undelivered")[-1].items() >= {"reason": "timeout", "status": "0"}.items()
        board.run(10)
        assert keys(board, "delivered") == keys(board, "taken")

    @pytest.mark.parametrize(
        ("kind", "content", "reason", "status"),
        [
            ("refuse", b"", "connect", "0"),
            ("unreachable", b"", "connect", "0"),
            ("silent", b"", "timeout", "0"),
            ("half", b"HTTP/1.1 200 OK\r\nContent-Le", "timeout", "200"),
            ("half", b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{", "timeout", "200"),
            ("closed", b"", "closed", "0"),
            ("closed", b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{", "broken", "200"),
            ("closed", b"SSH-2.0-OpenSSH_9.2p1\r\n", "broken", "0"),
            ("closed", b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "status", "500"),
            ("closed", BUSY, "busy", "503"),
            ("broken", b"", "closed", "0"),
        ],
    )
    def test_what_can_go_wrong_keeps_the_reading(
        self, configured: Bench, kind: str, content: bytes, reason: str, status: str
    ) -> None:
        board = configured.start()
        board.run(30)
        board.peer(kind, content)
        board.run(60)
        assert board.events("undelivered")[-1].items() >= {"reason": reason, "status": status}.items()
        board.run(40)
        assert keys(board, "delivered") == keys(board, "taken")
        assert board.ended is None

    def test_what_is_refused_is_dropped_by_name(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        board.peer("closed", REFUSED)
        board.run(60)
        assert board.events("dropped")[0].items() >= {"key": "2-2", "reason": "refused", "status": "422"}.items()

    @pytest.mark.parametrize("bytes_a_write", [1, 7, 200])
    def test_a_module_that_takes_few_bytes_at_a_time(self, configured: Bench, bytes_a_write: int) -> None:
        board = configured.start()
        board.run(30)
        board.peer("partial", number=bytes_a_write)
        board.run(60)
        assert keys(board, "delivered") == keys(board, "taken")
        assert len(board.requests[1][2]) == len(board.requests[0][2])

    def test_an_answer_in_drips_is_read_to_its_end_or_given_up_after_two_seconds(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        board.peer("drip", answer, 10)
        board.run(60)
        assert keys(board, "delivered")[-1] == "2-2"
        board.peer("drip", answer, 100)
        board.run(60)
        assert board.events("undelivered")[-1]["reason"] == "timeout"

    def test_a_signed_request_of_the_largest_numbers_fits(self, configured: Bench) -> None:
        board = configured.start()
        board.send("CONF:DEV:ID 2147483647")
        board.send("CONF:NET:SERV 255.255.255.255")
        board.send("CONF:NET:PORT 65535")
        board.send(f"CONF:KEY 65535,{'f0' * 32}")
        board.send("CONF:SAVE")
        again = configured.start()
        again.do("network down")
        again.run(90)
        again.do("network up")
        again.run(60)
        assert keys(again, "delivered")[:3] == ["2-1", "3-1", "3-2"]
        assert b"age_s" in again.requests[0][2]
        assert b"Signature:" in again.requests[0][2]
        assert len(again.requests[0][2]) < 1024 - 2 * 20  # what longer boot and sequence numbers may add

    def test_a_module_that_reaches_nobody_leaves_its_network_and_joins_anew(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        for _ in range(8):
            board.peer("unreachable")
        board.run(2400)
        assert len(board.left_network_ms) == 1
        assert keys(board, "delivered") == keys(board, "taken")

    def test_no_module(self, configured: Bench) -> None:
        # its absence is known at the start only, so a board is told before: by its power coming back
        board = configured.start()
        board.do("module absent")
        assert board.send("*TST?") == "8"

    def test_old_module_firmware_is_named(self, configured: Bench) -> None:
        board = configured.powered()
        board.do("module old")
        board.do("start")
        assert board.events("old_nina") == [{"fw": "1.4.8"}]

    def test_an_absent_module_is_named(self, configured: Bench) -> None:
        board = configured.powered()
        board.do("module absent")
        board.do("start")
        assert board.events("no_wifi") == [{}]
        board.run(100)
        assert {fields["reason"] for fields in board.events("undelivered")} == {"nolink"}


class TestSensors:
    def test_a_silent_dht11_skips_the_reading(self, configured: Bench) -> None:
        board = configured.start()
        board.do("dht11 silent")
        board.run(30)
        assert board.events("sensor")[0] == {"name": "dht11", "reason": "silent", "failures": "1"}
        assert board.events("taken") == []

    def test_a_wrong_checksum(self, configured: Bench) -> None:
        board = configured.start()
        board.do("dht11 checksum 20 30")
        board.run(30)
        assert board.events("sensor")[0]["reason"] == "checksum"

    def test_an_absent_si1145(self, configured: Bench) -> None:
        board = configured.start()
        board.do("si1145 absent")
        board.run(30)
        assert board.events("sensor")[0] == {"name": "si1145", "reason": "silent", "failures": "1"}
        board.do("si1145 ok")
        board.run(60)
        assert keys(board, "delivered") == ["2-1"]

    def test_a_chip_that_holds_the_data_wire_is_freed_by_clocks(self, configured: Bench) -> None:
        board = configured.start()
        board.do("si1145 hold_sda")
        board.run(30)
        assert keys(board, "taken") == ["2-1"]

    def test_a_bus_that_stays_held_costs_the_reading_and_no_more(self, configured: Bench) -> None:
        board = configured.start()
        board.do("si1145 hold_scl")
        board.run(70)
        assert [fields["reason"] for fields in board.events("sensor")] == ["silent", "silent"]
        assert board.ended is None
        assert board.send("*TST?") == "2"

    def test_an_unplugged_soil_probe(self, configured: Bench) -> None:
        board = configured.start()
        board.do("soil 0")
        assert board.send("READ?").startswith("9.91E37")


class TestWatchdog:
    def test_a_hang_ends_in_a_reset_and_is_told_once(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        started_us = board.now_us
        board.do("module hang")
        board.run(100)
        assert board.ended == "watchdog"
        assert board.now_us - started_us < 60_000_000
        again = configured.start(Cause.WATCHDOG)
        assert again.events("hang") == [{"state": "send", "hangs": "1"}]
        assert again.events("boot")[0].items() >= {"cause": "0x08", "waiting": "1"}.items()
        assert again.send("STAT?").endswith(",8,1,none,0.0.0.0")
        again.run(30)
        assert keys(again, "delivered")[0] == "2-2"
        third = configured.start(Cause.RESET_PIN)
        assert third.events("hang") == []
        assert third.send("STAT?").endswith(",2,1,none,0.0.0.0")

    def test_power_on_forgets_hangs(self, configured: Bench) -> None:
        board = configured.start()
        board.do("module hang")
        board.run(100)
        configured.start(Cause.WATCHDOG)
        again = configured.start(Cause.POWER_ON)
        assert again.send("STAT?").endswith(",1,0,none,0.0.0.0")
        assert configured.start(Cause.RESET_PIN).send("STAT?").endswith(",2,0,none,0.0.0.0")

    def test_a_reset_that_no_warning_came_before(self, configured: Bench) -> None:
        assert configured.start(Cause.WATCHDOG).events("hang") == [{"state": "unknown", "hangs": "1"}]
        assert configured.start(Cause.WATCHDOG).events("hang") == [{"state": "unknown", "hangs": "2"}]

    def test_a_module_as_slow_as_it_may_be_is_no_hang(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        board.do("module slow")
        board.peer("silent")
        board.peer("half", b"HTTP/1.1 200 OK\r\n")
        board.run(300)
        assert board.ended is None
        assert keys(board, "delivered") == keys(board, "taken")

    def test_the_worst_network_is_no_hang(self, configured: Bench) -> None:
        board = configured.start()
        board.run(30)
        for _ in range(60):
            board.peer("unreachable")
        board.run(1200)
        assert board.ended is None
