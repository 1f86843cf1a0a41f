"""What the firmware takes, with a network and without; and the sketch that it is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plantkeeper_hil.firmware import BuildResult, build_firmware, footprint, peer
from plantkeeper_hil.firmware.build import build_sketch
from plantkeeper_hil.firmware.rigs import ANSWER, SerialRig
from plantkeeper_hil.firmware.serial_host import HostFault, SerialHost
from plantkeeper_hil.project import Project
from plantkeeper_sim.avr import Firmware, load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import BoardConfig


@pytest.fixture(scope="session")
def serial_firmware(firmware: BuildResult, hil_project: Project) -> BuildResult:
    return build_firmware(hil_project, environment="uno_serial", toolchain=firmware.toolchain)


@pytest.fixture(scope="session")
def serial_image(serial_firmware: BuildResult) -> Firmware:
    return load_elf(serial_firmware.elf)


@pytest.fixture(scope="session")
def sketch(firmware: BuildResult, hil_project: Project) -> Path:
    return build_sketch(hil_project, peer.folder_of(hil_project), toolchain=firmware.toolchain)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["uno", "uno_serial"])
def test_at_least_400_bytes_of_ram_are_never_touched(
    environment: str, firmware: BuildResult, serial_firmware: BuildResult
) -> None:
    built = {"uno": firmware, "uno_serial": serial_firmware}[environment]
    taken = footprint.measure(built.elf, environment)
    assert taken.untouched_bytes >= 400, taken
    assert taken.stack_bytes + taken.untouched_bytes + built.ram_bytes >= 2048 - 16
    assert taken.signature_cycles < 1_600_000, taken  # 0.1 s


def test_flash_by_part_adds_up(firmware: BuildResult, pytestconfig: pytest.Config) -> None:
    parts = footprint.flash_by_part(firmware.elf, pytestconfig.rootpath / "firmware")
    assert sum(parts.values()) == firmware.flash_bytes
    assert parts["lib/signing"] > 1000
    assert parts["lib/journal"] > 500
    assert parts["src"] > 4000
    assert parts["lib/random"] < 200, parts  # what avr-libc has behind it has no lines, and is not its own
    assert parts[footprint.REST] < 4000, parts


# ---- the host that answers at the serial line ---------------------------------------------------------------------


def test_a_board_at_the_serial_line_delivers_a_reading_each_period(serial_image: Firmware) -> None:
    with SerialRig(serial_image, signed=True, period_s=60) as rig:
        rig.board.run_for(5 + 2 * 60)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in rig.host.requests]
    assert [body["id"] for body in bodies] == [7, 7, 7]
    assert all(b"\r\nSignature: " in request for request in rig.host.requests)


TOLD = {
    HostFault.NONE: "delivered key=1-1 status=200",
    HostFault.SILENT: "undelivered key=1-1 reason=connect",
    HostFault.REFUSED: "undelivered key=1-1 reason=connect",
    HostFault.DEAF: "undelivered key=1-1 reason=timeout",
    HostFault.GARBLED: "undelivered key=1-1 reason=timeout",
    HostFault.TRICKLE: "delivered key=1-1 status=200",
    HostFault.CUT: "undelivered key=1-1 reason=broken",
}


@pytest.mark.parametrize("fault", list(HostFault), ids=lambda fault: fault.value)
def test_every_fault_of_the_host_is_one_for_the_board(fault: HostFault, serial_image: Firmware) -> None:
    board = UnoBoard(serial_image, BoardConfig(7), seed=1)
    host = SerialHost(board.mcu, ANSWER)
    host.fault_of = lambda index: fault if index == 1 else HostFault.NONE
    board.run_for(20)
    lines = b"".join(text.encode() for _, text in board.lines).decode("latin-1")
    assert f"!{TOLD[fault]}" in lines, lines
    assert "!delivered key=1-1" in lines
    assert json.loads(host.requests[-1].partition(b"\r\n\r\n")[2])["id"] == 7


# ---- the peer ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_sketch_delivers_and_never_sleeps(sketch: Path) -> None:
    taken = peer.measure(sketch)
    assert taken.awake_cycles - taken.working_cycles == pytest.approx(300 * 16_000_000, rel=1e-3)  # its delay()
    assert 500_000 < taken.working_cycles < 16_000_000
    assert taken.flash_bytes < 31_744
    assert taken.untouched_bytes > 400


@pytest.mark.slow
def test_power_down_is_most_of_the_time_where_it_is_allowed(firmware: BuildResult) -> None:
    assert 0.9 < footprint.powered_down_share(firmware.elf) < 1.0
