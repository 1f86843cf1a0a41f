"""The sketch that the firmware is compared with really delivers: its reading goes the whole way to the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.firmware import BuildResult, peer
from plantkeeper_hil.firmware.build import build_sketch
from plantkeeper_hil.project import Project
from plantkeeper_hil.run.day import wait_delivered
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_sim.avr import load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import BoardConfig

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DEVICE_ID = 7  # in the sketch's source


def test_the_sketchs_reading_is_stored_and_delivered(
    firmware: BuildResult, hil_project: Project, tmp_path: Path
) -> None:
    elf = build_sketch(hil_project, peer.folder_of(hil_project), toolchain=firmware.toolchain)
    with LocalStack(StackOptions(log_dir=tmp_path, devices=DEVICE_ID)) as stack:
        board = UnoBoard(load_elf(elf), BoardConfig(DEVICE_ID), seed=1)
        board.network.map("192.0.2.10", 8080, to=("127.0.0.1", stack.gateway_port))
        board.run_for(4)
        board.close()
        wait_delivered(stack)
        [row], [entry] = stack.database.readings(), stack.backend.journal()
    assert [line.endswith(": 200") for _, line in board.lines] == [True]
    assert (row["device_id"], row["idempotency_key"]) == (DEVICE_ID, None)  # as boards in the field: without a key
    assert (entry["sensor_id"], entry["status"], entry["effect"]) == (DEVICE_ID, 200, "applied")
    assert entry["body"]["temperature"] == board.dht11.history[-1].temperature_c
    soil, light = board.soil.history[-1].adc_code, board.si1145.history[-1].count
    assert entry["body"]["humidity"] == min(100, (1023 - soil) * 100 // 323)
    assert entry["body"]["light"] == max(0, min(2000, (light - 160) * 2000 // 640))
