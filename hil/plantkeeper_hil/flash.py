"""Putting the firmware onto a board: PlatformIO's upload, which verifies, and the board's own word for it."""

from __future__ import annotations

from collections.abc import Callable

from plantkeeper_hil.board.base import Board
from plantkeeper_hil.board.errors import WrongFirmwareError
from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.firmware.build import upload_firmware
from plantkeeper_hil.project import Project


def flash(
    project: Project, firmware: BuildResult, port: str, *, say: Callable[[str], None] = lambda _line: None
) -> None:
    """Upload and verify; nobody may have the port open.

    Raises:
        FirmwareBuildError: the upload failed; has what avrdude said.
    """
    say(f"flashing {firmware.identity} through {port}")
    upload_firmware(project, firmware, port, say=say)


def check_identity(board: Board, firmware: BuildResult) -> None:
    """Make sure that a board runs the very firmware that was built.

    Raises:
        WrongFirmwareError: it runs another one; names both.
    """
    running = board.identity.firmware
    if running != firmware.identity:
        raise WrongFirmwareError(
            f"board {board.name} runs {running}, what was built is {firmware.identity}; flash it: "
            f"hil flash --board {board.name} (or leave --skip-autoflash out)"
        )
