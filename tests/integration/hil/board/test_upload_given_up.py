"""An upload whose board is unplugged in the middle: avrdude would try for ever."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from plantkeeper_hil.errors import FirmwareBuildError
from plantkeeper_hil.firmware import BuildResult, Toolchain
from plantkeeper_hil.firmware.build import upload_firmware
from plantkeeper_hil.project import Project
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_it_is_given_up_and_leaves_no_process(tmp_path: Path, hil_project: Project, firmware: BuildResult) -> None:
    if firmware.toolchain is Toolchain.REGISTRY:
        pytest.skip("PlatformIO's own AVR platform toggles DTR, which a pseudo-terminal has not (docs/emulator.md)")
    with BoardProcess.start(tmp_path) as board, ThreadPoolExecutor(1) as pool:
        port = str(board.port)
        upload = pool.submit(upload_firmware, hil_project, firmware, port, timeout_s=15)
        deadline_s = time.monotonic() + 15
        while board.status()["resets"] == 0:  # avrdude opens the port, which resets the board
            assert time.monotonic() < deadline_s, "no upload began"
            time.sleep(0.01)
        board.unplug()
        with pytest.raises(
            FirmwareBuildError, match=rf"upload through {port} did not end within 15 s.*unplugged.*plug it in"
        ):
            upload.result()
    assert [p for p in psutil.process_iter(["cmdline"]) if port in (p.info["cmdline"] or ())] == []
