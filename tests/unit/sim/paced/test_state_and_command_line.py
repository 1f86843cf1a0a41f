"""What a paced board keeps, and what its command line refuses."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from plantkeeper_sim.errors import FirmwareError
from plantkeeper_sim.paced import state
from plantkeeper_sim.paced.__main__ import main

KEPT = state.Kept(bytes(range(256)) * 128, b"\xa5" * 1024)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command line takes over two signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert state.load(folder) is None
    state.save(folder, KEPT)
    state.save(folder, KEPT)
    assert state.load(folder) == KEPT
    assert sorted(path.name for path in folder.iterdir()) == ["eeprom.bin", "flash.bin"]


def test_an_image_of_the_wrong_size_is_named(tmp_path: Path) -> None:
    state.save(tmp_path, KEPT)
    (tmp_path / "eeprom.bin").write_bytes(bytes(1023))
    with pytest.raises(FirmwareError, match=r"eeprom\.bin: 1023 bytes, the memory has 1024; remove the file"):
        state.load(tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--map", "192.0.2.10=127.0.0.1:1"], "192.0.2.10: expected HOST:PORT, such as 192.0.2.10:8080"),
        (["--device-id", "0"], "device id 0: expected 1…2147483647"),
        (["--firmware", "nowhere.hex"], "nowhere.hex: cannot be read"),
        (["--bootloader", "nowhere.hex"], "nowhere.hex: cannot be read"),
    ],
)
def test_what_the_command_line_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["--link", str(tmp_path / "port"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "port").is_symlink()
