"""Places of a labgrid farm: what labgrid-client 26.0 prints, played by a script in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil import labgrid
from plantkeeper_hil.bench_board import BenchBoard, candidates
from plantkeeper_hil.board.choice import LabgridPlace
from plantkeeper_hil.board.errors import BoardBusyError, UnsupportedError

SHOWN = """Place 'greenhouse':
  matches:
    */greenhouse/*
  acquired: bench/root
  acquired resources:
    bench/greenhouse/NetworkSerialPort/NetworkSerialPort
  created: 2026-11-26 01:47:30.201125
  changed: 2026-11-26 01:47:44.874513
Acquired resource 'NetworkSerialPort' (bench/greenhouse/NetworkSerialPort/NetworkSerialPort):
  {'acquired': 'greenhouse',
   'avail': True,
   'cls': 'NetworkSerialPort',
   'params': {'extra': {'proxy': 'localhost', 'proxy_required': False},
              'host': '192.0.2.7',
              'port': 4444,
              'protocol': 'rfc2217',
              'speed': 115200}}
"""


def client(folder: Path, acquire: str, shown: str = SHOWN) -> str:
    """A labgrid-client that keeps what it was asked in `words`."""
    (folder / "shown").write_text(shown)
    program = folder / "labgrid-client"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/words\n'
        f'case "$3" in\nacquire) {acquire};;\nshow) cat {folder}/shown;;\nesac\n'
    )
    program.chmod(0o755)
    return str(program)


def asked(folder: Path) -> list[str]:
    return (folder / "words").read_text().splitlines()


def test_a_place_is_acquired_and_released(tmp_path: Path) -> None:
    place = labgrid.acquire("greenhouse", client(tmp_path, "echo acquired place greenhouse"))
    assert place.port == "rfc2217://192.0.2.7:4444"
    place.release()
    assert asked(tmp_path) == ["-p greenhouse acquire", "-p greenhouse show", "-p greenhouse release"]


def test_a_place_that_a_person_acquired_is_used_and_kept(tmp_path: Path) -> None:
    said = "echo 'labgrid-client: Error: You have already acquired place greenhouse.' >&2; exit 1"
    labgrid.acquire("greenhouse", client(tmp_path, said)).release()
    assert asked(tmp_path)[-1] == "-p greenhouse show"


def test_a_place_that_somebody_else_has_is_busy(tmp_path: Path) -> None:
    said = "echo 'labgrid-client: Error: Place greenhouse is already acquired by host/other. To work' >&2; exit 1"
    with pytest.raises(BoardBusyError, match="host/other"):
        labgrid.acquire("greenhouse", client(tmp_path, said))


def test_labgrids_own_words_are_told(tmp_path: Path) -> None:
    said = "echo 'labgrid-client: Error: place pattern greenhouse matches nothing' >&2; exit 1"
    with pytest.raises(UnsupportedError, match=r"labgrid place greenhouse: .*matches nothing"):
        labgrid.acquire("greenhouse", client(tmp_path, said))


def test_without_labgrid_it_says_how_to_get_it() -> None:
    with pytest.raises(UnsupportedError, match="pipx install labgrid"):
        labgrid.acquire("greenhouse", "no-such-labgrid-client")


def test_a_raw_port_is_a_socket() -> None:
    assert labgrid.port_in(SHOWN.replace("'rfc2217'", "'raw'"), "x") == "socket://192.0.2.7:4444"


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        ("Place 'x':\n", "no serial port is there"),
        (SHOWN.replace("'NetworkSerialPort',", "'NetworkPowerPort',"), "no serial port is there"),
        (SHOWN.replace("'avail': True", "'avail': False"), "no serial port is there"),
        (SHOWN.replace("'proxy_required': False", "'proxy_required': True"), "through a proxy only"),
    ],
)
def test_a_place_without_a_port_is_given_back(tmp_path: Path, shown: str, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        labgrid.acquire("greenhouse", client(tmp_path, ":", shown))
    assert asked(tmp_path)[-1] == "-p greenhouse release"


def test_a_session_holds_the_place_for_as_long_as_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, ":")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = candidates(LabgridPlace("greenhouse"), [], list)
    with BenchBoard.take(found, worker=0, reason="tests", locks=tmp_path / "locks") as board:
        assert board.port == "rfc2217://192.0.2.7:4444"
        assert not board.can_flash
    assert asked(tmp_path)[-1] == "-p greenhouse release"
