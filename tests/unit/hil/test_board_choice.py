"""Which board is meant: the words of `--hil-board`, boards that are there, and one for each worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil import power
from plantkeeper_hil.bench_board import BenchBoard, candidates, capabilities_of
from plantkeeper_hil.board.base import Capability
from plantkeeper_hil.board.choice import AtPort, Auto, Choice, LabgridPlace, Listed, Simulated, from_environment, parse
from plantkeeper_hil.board.errors import UnsupportedError
from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.inventory.entries import Entry
from plantkeeper_hil.inventory.errors import UnknownBoardError
from plantkeeper_hil.inventory.usb import UsbPort
from plantkeeper_hil.locks import LockedError

UNO_1 = Entry("uno-1", "uno", "Uno", "A1")
UNO_2 = Entry("uno-2", "uno", "Uno", "A2", power="1-1:2")
REMOTE = Entry("greenhouse", "uno", "Uno", port="rfc2217://192.0.2.7:4000")


def plugged(*serials: str) -> list[UsbPort]:
    return [UsbPort(f"/dev/ttyACM{n}", 0x2341, 0x0043, serial, f"1-{n}") for n, serial in enumerate(serials)]


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        ("sim", Simulated()),
        ("auto", Auto()),
        ("uno-1", Listed("uno-1")),
        ("serial:/dev/ttyACM0", AtPort("/dev/ttyACM0")),
        ("rfc2217://192.0.2.7:4000", AtPort("rfc2217://192.0.2.7:4000")),
        ("socket://localhost:4000", AtPort("socket://localhost:4000")),
        ("labgrid:greenhouse", LabgridPlace("greenhouse")),
    ],
)
def test_words_that_name_a_board(words: str, choice: Choice) -> None:
    assert parse(words) == choice


@pytest.mark.parametrize(
    "words", ["", "serial:", "serial:ttyACM0", "labgrid:", "gopher://x", "socket://x", "a b", "COM3:"]
)
def test_words_that_name_none_are_answered_with_what_is_accepted(words: str) -> None:
    with pytest.raises(UsageError, match=r"--hil-board=.*expected sim, auto, an id of boards.yaml"):
        parse(words)


def test_a_port_and_a_baud_rate_by_their_familiar_names() -> None:
    assert parse("sim", port="/dev/ttyUSB0", baud=9600) == AtPort("/dev/ttyUSB0", 9600)
    assert parse("auto", port="socket://localhost:1", baud=None) == AtPort("socket://localhost:1")
    with pytest.raises(UsageError, match="give one of them"):
        parse("uno-1", port="/dev/ttyUSB0")


def test_defaults_come_from_the_environment() -> None:
    assert from_environment({"PLANTKEEPER_HIL_BOARD": "uno-1"}, "BOARD", "sim") == "uno-1"
    assert from_environment({"PLANTKEEPER_HIL_BOARD": ""}, "BOARD", "sim") == "sim"


def test_auto_takes_what_is_there() -> None:
    found = candidates(Auto(), [UNO_1, UNO_2, REMOTE], lambda: plugged("A2", "A3"))
    assert [entry.id for entry in found] == ["uno-2", "greenhouse", "uno-a3"]


def test_without_a_board_it_says_how_to_attach_one_and_which_are_offline() -> None:
    with pytest.raises(UnknownBoardError, match=r"Attach one by USB .*Offline: uno-1, uno-2"):
        candidates(Auto(), [UNO_1, UNO_2], list)


def test_a_listed_board_that_is_offline_is_an_error_not_a_skip() -> None:
    with pytest.raises(UnknownBoardError, match=r"board uno-1 \(serial number A1\) is not plugged in"):
        candidates(Listed("uno-1"), [UNO_1], list)
    assert candidates(Listed("greenhouse"), [REMOTE], list) == [REMOTE]


def test_each_worker_gets_a_board_of_its_own(tmp_path: Path) -> None:
    found = [UNO_1, UNO_2]
    with (
        BenchBoard.take(found, worker=0, reason="a", locks=tmp_path) as first,
        BenchBoard.take(found, worker=1, reason="b", locks=tmp_path) as second,
    ):
        assert {first.entry.id, second.entry.id} == {"uno-1", "uno-2"}
        with pytest.raises(UnknownBoardError, match="worker 3 of the tests has no board: 2 can be used"):
            BenchBoard.take(found, worker=2, reason="c", locks=tmp_path)
        with pytest.raises(LockedError, match=r"board uno-1 is held by process \d+ \(a\)"):
            BenchBoard.take(found, worker=0, reason="d", locks=tmp_path)
    BenchBoard.take(found, worker=0, reason="e", locks=tmp_path).lock.release()


def test_a_port_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    absent = tmp_path / "ttyACM0"
    found = candidates(AtPort(str(absent)), [], list)
    with pytest.raises(
        UnknownBoardError, match=rf"^a board was to be at {absent}, and there is no such port. Attach one by USB"
    ):
        BenchBoard.take(found, worker=0, reason="a", locks=tmp_path / "locks")
    absent.touch()
    BenchBoard.take(found, worker=0, reason="b", locks=tmp_path / "locks").lock.release()


def test_a_board_behind_a_network_is_not_flashed() -> None:
    assert not BenchBoard(REMOTE, None).can_flash  # type: ignore[arg-type] # the lock is not asked
    assert BenchBoard(UNO_1, None).can_flash  # type: ignore[arg-type]


def test_who_can_switch_its_power_can_cycle_it() -> None:
    assert capabilities_of(UNO_1) == frozenset()
    assert capabilities_of(UNO_2) == {Capability.POWER_CYCLE}


# ---- uhubctl -----------------------------------------------------------------------------------------------------


def program(folder: Path, script: str) -> str:
    path = folder / "uhubctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_socket_is_cycled_by_uhubctl(tmp_path: Path) -> None:
    power.cycle("1-1.4:2", program=program(tmp_path, f'echo "$@" > {tmp_path}/words'))
    assert (tmp_path / "words").read_text() == "-l 1-1.4 -p 2 -a cycle -d 1\n"


def test_what_uhubctl_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="No compatible devices"):
        power.cycle("1-1:2", program=program(tmp_path, "echo 'No compatible devices detected' >&2; exit 1"))


def test_a_missing_uhubctl_is_named_with_the_command_that_brings_it() -> None:
    with pytest.raises(UnsupportedError, match="apt-get install uhubctl"):
        power.cycle("1-1:2", program="no-such-uhubctl")


@pytest.mark.parametrize("socket", ["", "1-1", "1-1:", "usb:2", "1-1:2; rm"])
def test_a_socket_that_is_none_is_refused(socket: str) -> None:
    with pytest.raises(UnsupportedError, match="expected location:port"):
        power.cycle(socket)
