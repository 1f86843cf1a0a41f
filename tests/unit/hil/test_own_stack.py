"""A stack of our own: an earlier one's logs go, and what was started is ended where the rest fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.base import OwnStack


class Broken(OwnStack):
    """Comes up as far as it is told."""

    def __init__(self, log_dir: Path, *, fails: bool = True, fails_to_stop: bool = False) -> None:
        super().__init__(log_dir)
        self.did: list[str] = []
        self._fails, self._fails_to_stop = fails, fails_to_stop

    def _start(self) -> None:
        self.folder = self._janitor.make_folder()
        self.did.append("start")
        if self._fails:
            raise StackError("it does not come up")

    def _stop(self) -> None:
        assert self.folder.is_dir(), "the janitor came first"
        self.did.append("stop")
        if self._fails_to_stop:
            raise StackError("it does not go down")


def test_logs_of_an_earlier_stack_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("gateway.log", "backend-journal.jsonl", "report.json"):
        (tmp_path / name).touch()
    with Broken(tmp_path, fails=False):
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_fails_to_start_is_stopped_and_its_folder_removed(tmp_path: Path) -> None:
    stack = Broken(tmp_path / "logs")
    with pytest.raises(StackError, match="come up"), stack:
        pytest.fail("it was entered")
    assert stack.did == ["start", "stop"]
    assert not stack.folder.exists()


def test_where_stopping_fails_the_janitor_cleans_up_all_the_same(tmp_path: Path) -> None:
    stack = Broken(tmp_path, fails=False, fails_to_stop=True)
    with pytest.raises(StackError, match="go down"), stack:
        pass
    assert not stack.folder.exists()
