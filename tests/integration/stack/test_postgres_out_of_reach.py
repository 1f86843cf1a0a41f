"""Root's PostgreSQL runs as nobody, also where nobody can reach neither the wheel nor the current folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack import installation as wheel
from plantkeeper_hil.stack import postgres as module
from plantkeeper_hil.stack.postgres import Postgres

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else, nobody"),
]


@pytest.fixture
def closed_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The wheel below a folder that only root may enter, which is the current folder too, as in a clone in /root."""
    found = wheel.installation()
    closed = tmp_path / "closed"
    moved = closed / "site-packages" / found.parent.name / found.name
    for source, target in ((found, moved), (wheel.libraries(found), wheel.libraries(moved))):
        if source.exists():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("include"), copy_function=os.link)
    closed.chmod(0o700)
    monkeypatch.setattr(module, "installation", lambda: moved)
    monkeypatch.chdir(closed)
    yield moved
    shutil.rmtree(closed)


def version(server: Postgres, log_dir: Path) -> str:
    """What the server says that it is, once it has started."""
    server.start()
    try:
        connection = psycopg2.connect(server.dsn("postgres"))
        with connection, connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            row = cursor.fetchone()
        connection.close()
    finally:
        server.stop()
    assert row is not None
    return str(row[0])


def refuse(*_words: object, **_options: object) -> None:
    raise OSError(errno.EXDEV, "no links from here to there")


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_it_starts_from_a_closed_folder(
    closed_installation: Path, short_folder: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    assert not wheel.may_be_used(closed_installation)
    assert closed_installation.name.removeprefix("pginstall") in version(
        Postgres(short_folder / "pg", log_dir=short_folder), short_folder
    )
    copied = next((short_folder / "pg" / "programs").glob("*/pginstall*/bin/postgres"))
    assert copied.samefile(closed_installation / "bin" / "postgres") is links


def test_it_starts_where_the_umask_closed_every_file(closed_installation: Path, short_folder: Path) -> None:
    """pip under `umask 077` leaves files that only root may read: links to them would not help nobody."""
    root = closed_installation.parent.parent
    root.chmod(0o755)
    for path in (closed_installation / "bin", closed_installation / "share", wheel.libraries(closed_installation)):
        replace_with_private_copies(path)
    before = os.umask(0o077)
    try:
        assert version(Postgres(short_folder / "pg", log_dir=short_folder), short_folder)
    finally:
        os.umask(before)


def test_a_closed_folder_around_its_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    closed = tmp_path / "closed"
    server = Postgres(closed / "run" / "pg", log_dir=tmp_path)
    with pytest.raises(StackError, match=f"cannot pass through {closed}.*set TMPDIR"):
        server.start()


def replace_with_private_copies(folder: Path) -> None:
    """The links of this test lead to the real wheel, whose modes must stay as they are."""
    private = folder.with_name(f"{folder.name}.private")
    shutil.copytree(folder, private)
    for path in (private, *private.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
    shutil.rmtree(folder)
    private.rename(folder)
