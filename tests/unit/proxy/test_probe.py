"""A container's health check: an address that answers 200, a file that was touched lately."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from plantkeeper_proxy.probe import ask, look, main


class Answering(BaseHTTPRequestHandler):
    """Answers the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_only_200_is_well(address: str) -> None:
    assert ask(f"{address}/200") is None
    assert ask(f"{address}/503") == f"{address}/503: answers 503, expected 200"
    assert ask(f"{address}/302") == f"{address}/302: answers 302, expected 200"


def test_nobody_there_is_told() -> None:
    assert "refused" in str(ask("http://127.0.0.1:1/healthz"))


def test_a_file_is_well_as_long_as_it_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "reported"
    assert look(path, now_s=1000.0) == f"{path}: No such file or directory"
    path.touch()
    os.utime(path, (1000.0, 1000.0))
    assert look(path, now_s=1040.0) is None
    assert look(path, now_s=1041.0) == f"{path}: last touched 41 s ago, expected at most 40 s"


def test_statuses_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "reported"
    assert main([str(path)]) == 1
    path.touch()
    assert main([str(path)]) == 0
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_it_loads_nothing_but_itself() -> None:
    """It runs every few seconds in each container."""
    script = "import sys, plantkeeper_proxy.probe; print([name for name in sys.modules if name.startswith('plantk')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "['plantkeeper_proxy', 'plantkeeper_proxy.probe']\n"
