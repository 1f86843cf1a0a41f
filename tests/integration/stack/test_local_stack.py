"""The stack comes up whole, and nothing of it survives: not its end, not Ctrl-C, not SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
import sql

from plantkeeper_hil.errors import StackError
from plantkeeper_hil.run.day import wait_delivered
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_hil.stack.service import Service, finish, listening_socket, run_command

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DEADLINE_S = 60.0


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not happen within {deadline_s} s"
        time.sleep(0.02)


def alive(pids: dict[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_a_reading_goes_through_and_nothing_is_left(tmp_path: Path) -> None:
    with LocalStack(StackOptions(log_dir=tmp_path / "logs", devices=2)) as stack:
        pids, folder = stack.pids, Path(stack.backend_ca or "").parent.parent
        assert sorted(alive(pids)) == ["backend", "forwarder", "gateway", "janitor", "postgres"]
        answer = requests.post(
            f"{stack.gateway_url}/sensor-data", json={"id": 2, "temperature": 21.5, "humidity": 40}, timeout=10
        )
        assert (answer.status_code, answer.json()) == (200, {"message": "stored"})
        wait_for(lambda: stack.database.waiting() == 0, "delivery")
        [entry] = stack.backend.journal()
        assert entry["body"] == {"id": 2, "temperature": 21.5, "humidity": 40}
        assert (entry["sensor_id"], entry["status"], entry["effect"]) == (2, 200, "applied")
        assert len(stack.database.readings()) == 1
        assert sql.execute(stack.dsn, "SELECT id FROM device ORDER BY id") == [(1,), (2,)]
    assert alive(pids) == []
    assert not folder.exists()
    assert {log.name for log in (tmp_path / "logs").iterdir()} >= {"gateway.log", "postgres.log", "backend.log"}


@contextmanager
def stack_command(root: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """`hil stack` in the foreground, once its stack.json is there."""
    file = root / "build" / "stack.json"
    file.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "plantkeeper_hil", "stack", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "40"},
    )
    try:
        wait_for(lambda: file.exists() or process.poll() is not None, "stack.json")
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        yield process, json.loads(file.read_text())
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE_S)


@pytest.fixture
def checkout(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """A folder that looks like the checkout to `hil`, so that build/stack.json is this test's own."""
    root = tmp_path / "checkout"
    (root / "firmware").mkdir(parents=True)
    for name in ("noxfile.py", "firmware/platformio.ini"):
        (root / name).write_bytes((pytestconfig.rootpath / name).read_bytes())
    return root


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_stack_ends_on_a_signal(checkout: Path, number: signal.Signals) -> None:
    with listening_socket() as free:
        port = free.getsockname()[1]
    with stack_command(checkout, f"--gateway-port={port}") as (process, told):
        assert told["gateway_url"] == f"http://127.0.0.1:{port}"
        answer = requests.get(f"{told['gateway_url']}/readyz", timeout=10)
        assert answer.status_code == 200
        backend = requests.get(f"{told['backend_url']}/_mock/stats", timeout=10, verify=str(told["backend_ca"]))
        assert backend.json()["requests"] == 0
        process.send_signal(number)
        output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    lines = [line.rstrip() for line in output.splitlines()]
    for where in (f"{told['gateway_url']}/readyz", told["backend_ca"], told["database_dsn"]):
        assert any(line.endswith(f" {where}") for line in lines), output  # whole, though longer than the line
    assert alive(told["pids"]) == []  # type: ignore[arg-type]
    assert not (checkout / "build" / "stack.json").exists()


def test_nothing_survives_a_killed_stack(checkout: Path) -> None:
    with stack_command(checkout) as (process, told):
        folder = Path(str(told["backend_ca"])).parent.parent
        process.kill()
        process.wait(timeout=DEADLINE_S)
        pids: dict[str, int] = told["pids"]  # type: ignore[assignment]
        wait_for(lambda: alive(pids) == [], "the janitor's work")
        assert not folder.exists()


def test_another_backend_can_be_forwarded_to(checkout: Path, tmp_path: Path) -> None:
    with (
        LocalStack(StackOptions(log_dir=tmp_path / "logs", devices=1)) as other,
        stack_command(checkout, f"--backend-url={other.backend_url}", f"--backend-ca={other.backend_ca}") as (_, told),
    ):
        assert told["backend_url"] == other.backend_url
        requests.post(f"{told['gateway_url']}/sensor-data", json={"id": 1, "light": 5}, timeout=10)
        wait_for(lambda: len(other.backend.journal()) == 1, "delivery to the other backend")
        assert other.backend.journal()[0]["body"] == {"id": 1, "light": 5}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--gateway-port=70000"], "--gateway-port 70000"),
        (["--backend-url=http://backend"], "expected https://"),
        (["--backend-ca=/nowhere.pem"], "it belongs to --backend-url"),
        (["--backend-url=https://b", "--backend-ca=/nowhere.pem"], "no such file"),
        (["--boards=0"], "--boards 0"),
    ],
)
def test_options_that_make_no_sense_are_named(checkout: Path, words: list[str], named: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "plantkeeper_hil", "stack", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert finished.returncode == 2
    assert named in finished.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with listening_socket() as taken:
        port = taken.getsockname()[1]
        options = StackOptions(log_dir=tmp_path, gateway_port=port)
        with pytest.raises(StackError, match=f"cannot listen on 127.0.0.1:{port}"), LocalStack(options):
            pass


def test_a_gateway_that_dies_at_once_is_shown_with_its_log(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "print('boom'); raise SystemExit(7)")
    options = StackOptions(log_dir=tmp_path, gateway_command=command)
    with pytest.raises(StackError) as error, LocalStack(options):
        pass
    assert "ended with status 7" in str(error.value)
    assert "boom" in str(error.value)


def test_a_postgres_that_died_is_named(tmp_path: Path) -> None:
    with LocalStack(StackOptions(log_dir=tmp_path)) as stack:
        stack.check_alive()
        process = psutil.Process(stack.pids["postgres"])
        process.send_signal(signal.SIGQUIT)  # ends at once
        wait_for(lambda: alive({"postgres": process.pid}) == [], "the end of PostgreSQL")
        with pytest.raises(StackError, match="postgres ended with status"):
            stack.check_alive()
        with pytest.raises(StackError, match="postgres ended with status"):
            wait_delivered(stack)
        with pytest.raises(StackError, match="PostgreSQL does not answer"):
            stack.database.readings()


def test_a_command_runs_only_once_the_watcher_knows_of_it(tmp_path: Path) -> None:
    told: list[tuple[int, bool]] = []
    made = tmp_path / "made"
    command = [sys.executable, "-c", f"open({str(made)!r}, 'w').close(); print(open(0).read() == '')"]
    service = Service.start(
        "x", command, log_dir=tmp_path, environment={}, watch=lambda pid: told.append((pid, made.exists()))
    )
    assert finish(service, timeout_s=DEADLINE_S) == 0
    assert told == [(service.pid, False)]
    assert service.log.read_text() == "True\n"  # nothing of the gate is left on its standard input


def test_a_command_of_which_the_watcher_cannot_know_never_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    started: list[int] = []

    def fail(pid: int) -> None:
        started.append(pid)
        raise BrokenPipeError("the janitor was killed")

    with pytest.raises(BrokenPipeError):
        Service.start("x", ["/usr/bin/touch", str(made)], log_dir=tmp_path, environment={}, watch=fail)
    assert not psutil.pid_exists(started[0])
    assert not made.exists()


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    started: list[int] = []
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(StackError, match=r"x did not end within 0\.1 s"):
        run_command("x", command, log_dir=tmp_path, environment={}, timeout_s=0.1, watch=started.append)
    assert not psutil.pid_exists(started[0])


def test_a_process_that_will_not_go_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plantkeeper_hil.stack.service.END_TIMEOUT_S", 0.3)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    service = Service.start("stubborn", [sys.executable, "-c", script], log_dir=tmp_path, environment={})
    service.wait_ready(lambda: "up" in service.log.read_text(), timeout_s=10)
    assert service.end() == -signal.SIGKILL


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot start 'no-such-program'"):
        Service.start("x", ["no-such-program"], log_dir=tmp_path, environment={})


def test_ctrl_c_in_a_run_leaves_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "plantkeeper_hil", "sim", "--hours=8000", f"--out={tmp_path}"],
        cwd=pytestconfig.rootpath,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        journal = tmp_path / "logs" / "backend-journal.jsonl"
        wait_for(lambda: journal.exists() and journal.stat().st_size > 0, "the first delivery")
        family = {str(p.pid): p.pid for p in psutil.Process(process.pid).children(recursive=True)}
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=DEADLINE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode != 0, output
    assert len(family) >= 3
    assert alive(family) == []
