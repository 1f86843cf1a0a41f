"""The real bossac, with the flags of firmware/scripts/bossac.py, against a model of the MKR's boot loader."""

from __future__ import annotations

import random
import runpy
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sam_ba import APPLICATION, FLASH_BYTES, ROW, SamBa

pytestmark = [pytest.mark.integration]

STORE = 0x3C000  # firmware/src/samd21/nvm.h: the last 16 KiB
SEED = 20


class Environment:
    """As much of SCons' environment as the script asks for."""

    def __init__(self) -> None:
        self.replaced: dict[str, Any] = {}

    def Replace(self, **words: Any) -> None:  # noqa: N802 - SCons' name
        self.replaced |= words

    def BoardConfig(self) -> dict[str, str]:  # noqa: N802 - SCons' name
        """As PlatformIO's mkrwifi1010.json has it."""
        return {"upload.offset_address": "0x2000"}


def flags_of(root: Path, port: str) -> list[str]:
    environment = Environment()
    given = {"env": environment, "Import": lambda _name: None}
    runpy.run_path(str(root / "firmware" / "scripts" / "bossac.py"), init_globals=given)
    return [word.replace('"$UPLOAD_PORT"', port) for word in environment.replaced["UPLOADERFLAGS"]]


def used_flash(*, program_bytes: int) -> bytes:
    """Boot loader, an older program, and a store that is full."""
    dice = random.Random(SEED)
    flash = bytearray(b"\xff" * FLASH_BYTES)
    flash[:APPLICATION] = dice.randbytes(APPLICATION)
    flash[APPLICATION : APPLICATION + program_bytes] = dice.randbytes(program_bytes)
    flash[STORE:] = dice.randbytes(FLASH_BYTES - STORE)
    return bytes(flash)


def upload(flags: Sequence[str], image: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bossac", *flags, image], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("size", [20_000, 20_224, 20_225])
def test_an_upload_keeps_boot_loader_and_store(pytestconfig: pytest.Config, tmp_path: Path, size: int) -> None:
    before, image = used_flash(program_bytes=50_000), tmp_path / "firmware.bin"
    image.write_bytes(random.Random(SEED + size).randbytes(size))
    with SamBa(before) as board:
        done = upload(flags_of(pytestconfig.rootpath, board.path), image)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Verify successful" in done.stdout
        after = bytes(board.flash)
        assert board.was_reset
    end = APPLICATION + size
    assert after[APPLICATION:end] == image.read_bytes()
    assert after[:APPLICATION] == before[:APPLICATION]
    last_row = (end + ROW - 1) // ROW * ROW
    assert after[last_row:] == before[last_row:]


def test_the_platform_s_own_flags_would_not(tmp_path: Path) -> None:
    """Why there is a script at all."""
    before, image = used_flash(program_bytes=50_000), tmp_path / "firmware.bin"
    image.write_bytes(bytes(range(256)) * 80)
    with SamBa(before) as board:
        own = ["--port", board.path, "-U", "--offset", "0x2000", "--write", "--verify", "--reset", "--erase"]
        assert upload(own, image).returncode == 0
        assert bytes(board.flash[STORE:]) == b"\xff" * (FLASH_BYTES - STORE)
