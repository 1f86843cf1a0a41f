"""One process of the stack: started with a log file, waited for, ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from plantkeeper_hil.errors import StackError

LOG_LINES_SHOWN = 15
POLL_S = 0.01
END_TIMEOUT_S = 10.0
# A child waits here until the janitor knows of it; where its parent dies before that, it ends by itself.
GATE = 'read -r _ && exec "$@" </dev/null'


def listening_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that listens already, to be handed to a child: no port is ever guessed.

    Args:
        port: 0 lets the system choose.

    Raises:
        StackError: the port is taken, or not ours to take.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StackError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port, or 0") from error
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    return int(listener.getsockname()[1])


class Service:
    """A running process.

    Args:
        name: for messages and the log file's name.
        process: what `start` started.
        log: where its output goes.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log_dir: Path,
        environment: Mapping[str, str],
        inherit: Sequence[socket.socket] = (),
        run_as: tuple[int, int] | None = None,
        cwd: Path | None = None,
        watch: Callable[[int], None] = lambda _pid: None,
    ) -> Self:
        """Start a command in a session of its own, so that a Ctrl-C reaches the harness alone.

        Args:
            inherit: sockets that the child gets, under the same descriptors.
            run_as: user and group id; None for our own.
            cwd: current folder; None for our own.
            watch: called with the process id before the command gets to run, such as `Janitor.watch_process`.

        Raises:
            StackError: there is no such program.
        """
        log = log_dir / f"{name}.log"
        variables = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        if shutil.which(command[0], path=variables.get("PATH")) is None:
            raise StackError(f"{name}: cannot start {command[0]!r}: no such program")
        for listener in inherit:
            listener.set_inheritable(True)
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", GATE, name, *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    cwd=cwd,
                    pass_fds=[listener.fileno() for listener in inherit],
                    start_new_session=True,
                    user=None if run_as is None else run_as[0],
                    group=None if run_as is None else run_as[1],
                    extra_groups=None if run_as is None else [],
                )
        except OSError as error:
            raise StackError(f"{name}: cannot start {command[0]!r}: {error.strerror}") from error
        _open_gate(process, watch)
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def wait_ready(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until `ready()`.

        Raises:
            StackError: the process died, or was not ready in time; shows the end of its log.
        """
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            self.check_alive()
            if time.monotonic() > deadline_s:
                raise StackError(f"{self.name} was not ready within {timeout_s:g} s; {self._tail()}")
            time.sleep(POLL_S)

    def check_alive(self) -> None:
        """Make sure that it runs.

        Raises:
            StackError: it does not.
        """
        status = self.process.poll()
        if status is not None:
            raise StackError(f"{self.name} ended with status {status}; {self._tail()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal and wait; a process that does not go when asked is killed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(timeout=END_TIMEOUT_S)
        return self.process.returncode

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return f"its log {self.log} ends with:\n" + ("\n".join(f"  {line}" for line in lines) or "  (nothing)")


def _open_gate(process: subprocess.Popen[bytes], watch: Callable[[int], None]) -> None:
    assert process.stdin is not None
    try:
        watch(process.pid)
        with contextlib.suppress(BrokenPipeError):  # it was killed meanwhile; whoever waits for it will see
            process.stdin.write(b"go\n")
            process.stdin.flush()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def run_command(
    name: str,
    command: Sequence[str],
    *,
    log_dir: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    run_as: tuple[int, int] | None = None,
    watch: Callable[[int], None] = lambda _pid: None,
) -> None:
    """Run a command to its end; its output goes to its log.

    Args:
        timeout_s: when it is ended.
        run_as, watch: as `Service.start` takes them.

    Raises:
        StackError: it failed or did not end in time; shows the end of its log.
    """
    service = Service.start(name, command, log_dir=log_dir, environment=environment, run_as=run_as, watch=watch)
    if finish(service, timeout_s=timeout_s) != 0:
        service.check_alive()


def finish(service: Service, *, timeout_s: float) -> int:
    """Wait until a process ends by itself, and return its status; it never outlives the wait.

    Raises:
        StackError: it did not end in time.
    """
    try:
        return service.process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{service.name} did not end within {timeout_s:g} s") from error
    finally:
        service.end()
