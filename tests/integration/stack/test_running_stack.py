"""A stack that somebody else runs is found by its URL, used, and left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.stack.foreground import describe
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_hil.stack.running import RunningStack, port_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_it_is_used_and_left_running(tmp_path: Path) -> None:
    description = tmp_path / "stack.json"
    with LocalStack(StackOptions(log_dir=tmp_path / "logs")) as live:
        description.write_text(json.dumps(describe(live)))
        with RunningStack(f"http://localhost:{live.gateway_port}/", description) as stack:
            assert stack.gateway_port == live.gateway_port
            assert stack.database.readings() == []
            assert stack.backend.journal() == []
            stack.check_alive()
        live.check_alive()
        with pytest.raises(StackError, match=r"is of the gateway at http://127.0.0.1:\d+, not of http://127.0.0.1:1"):
            RunningStack("http://127.0.0.1:1", description).__enter__()
    with pytest.raises(StackError, match=r"no gateway is ready at .*nox -s stack"):
        RunningStack(f"http://127.0.0.1:{live.gateway_port}", description).__enter__()


def test_without_its_description_it_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"stack.json does not say what stands behind .*nox -s stack"):
        RunningStack("http://127.0.0.1:8080", tmp_path / "stack.json").__enter__()


@pytest.mark.parametrize("url", ["nonsense", "https://127.0.0.1", "http://", "http://x:99999"])
def test_what_is_no_url_of_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(StackError, match=r"--hil-stack=.*such as http://127.0.0.1:8080"):
        port_of(url)
