"""The MKR WiFi 1010's firmware through a compiler for its CPU: types of 32 bits, and its size without the core."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mkr_board import DEFINES, STRICT, sources

COMPILER = shutil.which("arm-none-eabi-g++")
# Of 256 KiB the boot loader has 8 and the store 16; of 32 KiB of RAM the core, USB and WiFiNINA take some 6.
FLASH_BYTES, RAM_BYTES = 64 * 1024, 8 * 1024


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="no arm-none-eabi-g++ (Debian: gcc-arm-none-eabi)")
def test_it_compiles_for_the_cortex_m0_and_is_small(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    found = sources(pytestconfig.rootpath)
    machine = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-ffunction-sections", "-fno-exceptions", "-fno-rtti"]
    flags = [*STRICT, *machine, "-fno-threadsafe-statics", *DEFINES, *found.includes]

    def compiled(source: Path) -> Path:
        target = tmp_path / f"{source.parent.name}-{source.stem}.o"
        subprocess.run([str(COMPILER), *flags, "-c", str(source), "-o", str(target)], check=True)
        return target

    with ThreadPoolExecutor(max_workers=2) as pool:
        objects = list(pool.map(compiled, found.files))
    table = subprocess.run(
        ["arm-none-eabi-size", *map(str, objects)], check=True, capture_output=True, text=True
    ).stdout.splitlines()[1:]
    sizes = [tuple(map(int, re.findall(r"\d+", line)[:3])) for line in table]
    text, data, bss = (sum(column) for column in zip(*sizes, strict=True))
    print(f"flash {text + data} bytes, RAM {data + bss} bytes, without core, USB and WiFiNINA")
    assert text + data < FLASH_BYTES
    assert data + bss < RAM_BYTES
