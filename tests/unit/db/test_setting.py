"""Settings of the database commands, from the environment or from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_db.errors import UsageError
from plantkeeper_db.setting import read


def test_a_setting_comes_from_its_variable_or_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://a@b/c\n")
    assert read({}, "DSN") is None
    assert read({"DSN": "", "DSN_FILE": " "}, "DSN") is None
    assert read({"DSN": "x"}, "DSN") == "x"
    assert read({"DSN_FILE": str(file)}, "DSN") == "postgresql://a@b/c"


def test_what_makes_no_sense_is_named(tmp_path: Path) -> None:
    empty, latin = tmp_path / "empty", tmp_path / "latin"
    empty.touch()
    latin.write_bytes(b"\xff")
    for environment, said in [
        ({"DSN": "x", "DSN_FILE": "y"}, "DSN and DSN_FILE are both set"),
        ({"DSN_FILE": str(tmp_path / "none")}, "No such file"),
        ({"DSN_FILE": str(empty)}, "is empty"),
        ({"DSN_FILE": str(latin)}, "not UTF-8"),
    ]:
        with pytest.raises(UsageError, match=said):
            read(environment, "DSN")
