"""`docker compose` as the harness calls it; a script stands in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.compose_cli import Compose


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    return Compose("a-project", [Path("one.yaml"), Path("two.yaml")], {"GATEWAY_PORT": "0"}, tmp_path / "compose.log")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is called instead; takes a script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "docker"


def put(docker: Path, script: str) -> None:
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


def test_it_gets_project_files_and_variables_and_all_it_says_is_kept(docker: Path, compose: Compose) -> None:
    put(docker, 'echo "$GATEWAY_PORT $*"; echo aside >&2')
    said = "0 compose --project-name a-project --progress plain --file one.yaml --file two.yaml up --wait\n"
    assert compose.run("up", "--wait") == said
    assert compose.log.read_text() == f"$ docker compose up --wait\n{said}aside\n"


def test_a_failure_shows_the_end_of_what_it_said(docker: Path, compose: Compose) -> None:
    put(docker, 'seq 100; echo "no such service" >&2; exit 7')
    with pytest.raises(
        StackError, match=r"docker compose up ended with status 7:\n(.*\n)*  100\n  no such service"
    ) as e:
        compose.run("up")
    assert "  80\n" not in str(e.value)
    assert compose.attempt("up").returncode == 7


def test_one_that_does_not_end_is_told(docker: Path, compose: Compose) -> None:
    put(docker, "exec sleep 60")
    with pytest.raises(StackError, match=r"docker compose up did not end within 0\.1 s"):
        compose.run("up", timeout_s=0.1)


def test_without_docker_the_remedy_is_named(docker: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(docker.parent))
    with pytest.raises(StackError, match=r"there is no `docker` here: .*\.ci/docker/with-docker"):
        compose.run("up")
