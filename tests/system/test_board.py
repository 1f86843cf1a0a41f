"""The board in the loop, the same tests on the emulator and on real ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from plantkeeper_hil.board.base import Board, Reset
from plantkeeper_hil.board.emulated import EmulatedBoard
from plantkeeper_hil.board.errors import CommandError
from plantkeeper_hil.evidence import EvidenceFolder
from plantkeeper_hil.stack.clients import BackendClient, DatabaseClient
from plantkeeper_sim.parts.dht11 import Dht11Fault

pytestmark = pytest.mark.system

DEADLINE_S = 20.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"no {what} within {DEADLINE_S:g} s"
        time.sleep(0.02)
    return found


def emulated(board: Board) -> EmulatedBoard:
    assert isinstance(board, EmulatedBoard)
    return board


def test_it_runs_what_was_built(board: Board, evidence: EvidenceFolder) -> None:
    assert board.identity.firmware == evidence.facts["firmware"]


def test_its_parts_are_well(board: Board) -> None:
    assert board.scpi("*TST?") == "0"


def test_a_measurement_is_within_the_sensors_ranges(board: Board) -> None:
    temperature, humidity, light = map(float, board.scpi("READ?").split(","))
    assert 0 <= temperature <= 50
    assert 0 <= humidity <= 100
    assert 0 <= light <= 2000


def test_a_reading_goes_all_the_way(board: Board, database: DatabaseClient, backend: BackendClient) -> None:
    device_id = board.identity.device_id
    key, status = board.scpi("POST?").split(",")
    assert status == "200"
    taken = next(event for event in board.events("taken") if event.fields["key"] == key)
    values = {name: float(taken.fields[name]) for name in ("temperature", "humidity", "light")}

    def row() -> dict[str, Any] | None:
        rows = database.readings()
        return next((r for r in rows if (r["device_id"], r["idempotency_key"]) == (device_id, key)), None)

    stored = until(row, f"row of reading {key}")
    assert {name: stored[name] for name in values} == values

    def entry() -> Any:
        named = (entry for entry in backend.journal() if entry["sensor_id"] == device_id)
        return next((entry for entry in named if entry["idempotency_key"].strip('"') == key), None)

    assert until(entry, f"delivery of reading {key}")["status"] == 200


def test_after_a_reset_numbers_go_on_and_none_repeats(board: Board) -> None:
    first = board.expect(r"!delivered key=(\d+)-(\d+)", timeout_s=DEADLINE_S)
    boot = board.reset(Reset.WATCHDOG)  # which every board has
    assert int(boot.fields["boot"]) > int(first[1])
    again = board.expect(r"!delivered key=(\d+)-(\d+)", timeout_s=DEADLINE_S)
    assert (again[1], again[2]) == (boot.fields["boot"], "1")


def test_a_wrong_command_is_refused_by_number(board: Board) -> None:
    with pytest.raises(CommandError) as caught:
        board.scpi("CONF:INT 5")
    assert caught.value.number == -222


@pytest.mark.needs("power_cycle")
def test_after_a_power_cut_numbers_go_on(board: Board) -> None:
    before = int(board.scpi("STAT?").split(",")[0])
    assert int(board.reset(Reset.POWER).fields["boot"]) > before


@pytest.mark.needs("network_fault")
def test_without_a_network_readings_wait_and_then_go_out(board: Board) -> None:
    uno = emulated(board).uno
    uno.w5500.link_up = False
    failed = board.expect(r"!undelivered key=(\S+) reason=nolink", timeout_s=DEADLINE_S)
    uno.w5500.link_up = True
    assert board.expect(r"!delivered key=(\S+)", timeout_s=DEADLINE_S)[1] == failed[1]


@pytest.mark.needs("sensor_fault")
def test_a_failed_sensor_is_told(board: Board) -> None:
    emulated(board).uno.dht11.fault = Dht11Fault.SILENT
    assert board.scpi("*TST?", check=False) == "1"
    board.expect("!sensor name=dht11 reason=silent", timeout_s=DEADLINE_S)
