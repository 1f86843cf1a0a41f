"""What the build does around PlatformIO: sizes, the SCons package, the choice of a toolchain."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.errors import FirmwareBuildError
from plantkeeper_hil.firmware import registry
from plantkeeper_hil.firmware.build import FLASH_LIMIT_BYTES, MKR, MKR_KIND, Toolchain, build_firmware
from plantkeeper_hil.firmware.scons_shim import version_asked_for, write_package
from plantkeeper_hil.firmware.size import Section, Size, size_of
from plantkeeper_hil.project import find_project
from plantkeeper_sim.avr import UNO as UNO_FUSES
from plantkeeper_sim.flashing import load_bootloader, optiboot


@given(st.integers(0, 30_000), st.integers(0, 900), st.integers(0, 900), st.integers(0, 900))
def test_flash_and_ram_are_counted_as_avr_size_does(text: int, data: int, bss: int, eeprom: int) -> None:
    sections = [
        Section(0, text, in_file=True),
        Section(0x800100, data, in_file=True),
        Section(0x800100 + data, bss, in_file=False),
        Section(0x810000, eeprom, in_file=True),
    ]
    assert size_of(sections) == Size(flash_bytes=text + data, ram_bytes=data + bss)


@given(st.integers(0, 60_000), st.integers(0, 900), st.integers(0, 9_000))
def test_flash_and_ram_of_a_cortex_m(text: int, data: int, bss: int) -> None:
    sections = [
        Section(0x2000, text, in_file=True),
        Section(0x20000000, data, in_file=True),
        Section(0x20000000 + data, bss, in_file=False),
    ]
    assert size_of(sections) == Size(flash_bytes=text + data, ram_bytes=data + bss)


def test_a_board_that_only_the_registry_can_build_says_so(pytestconfig: pytest.Config) -> None:
    with pytest.raises(FirmwareBuildError, match="mkrwifi1010 is built with PlatformIO's registry only"):
        build_firmware(find_project(pytestconfig.rootpath), environment=MKR, toolchain=Toolchain.SYSTEM)


def test_the_mkr_s_limit_leaves_boot_loader_and_store(pytestconfig: pytest.Config) -> None:
    ini = (pytestconfig.rootpath / "firmware" / "platformio.ini").read_text()
    assert f"board_upload.maximum_size = {MKR_KIND.flash_limit_bytes}\n" in ini
    assert MKR_KIND.flash_limit_bytes == 256 * 1024 - 8 * 1024 - 16 * 1024


@pytest.mark.parametrize(
    ("requirement", "version"), [("~4.41101.0", "4.41101.0"), ("^1.2", "1.2"), ("3.0", "3.0"), (">=2.1", "2.1")]
)
def test_the_version_that_is_asked_for(requirement: str, version: str) -> None:
    assert version_asked_for(requirement) == version


def test_the_scons_package_names_itself(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    described, installed = (json.loads((package / name).read_text()) for name in ("package.json", ".piopm"))
    assert described["name"] == installed["name"] == "tool-scons"
    assert described["version"] == installed["version"]
    assert "SCons.Script.Main" in (package / "scons.py").read_text()


def test_packages_that_are_installed_need_no_network(tmp_path: Path) -> None:
    environment = {"PLATFORMIO_CORE_DIR": str(tmp_path)}
    assert not registry.packages_are_installed(environment)
    folder = tmp_path / "platforms" / "atmelavr"
    folder.mkdir(parents=True)
    (folder / "platform.json").touch()
    assert registry.use_registry(environment)


def test_a_registry_that_nobody_answers_for_is_not_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not registry.registry_answers([f"localhost:{port}"])


def test_one_limit_of_flash_fits_both_bootloaders(pytestconfig: pytest.Config) -> None:
    """An Uno's own begins at 0x7E00; Debian's build of it, which the emulated board has, at 0x7C00."""
    described = json.loads((pytestconfig.rootpath / "firmware/platform/boards/uno.json").read_text())
    arduinos = (optiboot().parents[2] / "boards.txt").read_text()
    assert "uno.upload.maximum_size=32256\n" in arduinos
    assert UNO_FUSES.boot_start == 0x7E00 == 32_256
    assert load_bootloader(optiboot()).fuses.boot_start == 0x7C00 == described["upload"]["maximum_size"]
    assert described["upload"]["maximum_size"] >= FLASH_LIMIT_BYTES
