"""QEMU's AVR machine as the benchmark runs it.

QEMU counts no cycles and never ends by itself. The program says on its serial line when it starts and ends;
between the two, the CPU time of the process is taken.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import time

from plantkeeper_sim.bench.peer import TIMEOUT_S, AbsentError, Run, RunError, output_of
from plantkeeper_sim.bench.program import Program

START, END = b"S", b"\n"


class Qemu:
    """qemu-system-avr, machine `uno`.

    Raises:
        AbsentError: it is not installed.
    """

    name = "qemu"

    def __init__(self, program: Program) -> None:
        qemu = shutil.which("qemu-system-avr")
        if qemu is None:
            raise AbsentError("no qemu-system-avr (Debian: qemu-system-misc)")
        self._qemu = qemu
        self._command = [
            qemu, "-machine", "uno", "-bios", str(program.elf), "-display", "none", "-monitor", "none",
            "-serial", "file:/dev/stdout",
        ]  # fmt: skip

    def version(self) -> str:
        """The first line of `--version`."""
        said = output_of([self._qemu, "--version"])
        found = re.search(r"version (\S+)", said)
        return f"QEMU {found[1]}" if found else said.strip()[:40]

    def run(self) -> Run:
        """Run from the start mark on the serial line to the line's end."""
        with subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        ) as process:
            try:
                return _watch(process)
            finally:
                process.kill()


def _watch(process: subprocess.Popen[bytes]) -> Run:
    assert process.stdout is not None
    said = bytearray()
    started_s: float | None = None
    deadline_s = time.monotonic() + TIMEOUT_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not said.endswith(END):
            if not selector.select(max(0.0, deadline_s - time.monotonic())):
                raise RunError(f"no end within {TIMEOUT_S:g} s; it said {bytes(said)!r}")
            read = os.read(process.stdout.fileno(), 64)
            spent_s = time.clock_gettime(process_clock(process.pid)) if read else 0.0
            if not read:
                raise RunError(f"ended early; it said {bytes(said)!r}")
            said += read
            if started_s is None and said.startswith(START):
                started_s = spent_s
    if started_s is None:
        raise RunError(f"never started; it said {bytes(said)!r}")
    if spent_s <= started_s:
        raise RunError("start and end were heard at once: too short to be timed, give more --passes")
    return Run(None, spent_s - started_s, checksum_in(bytes(said)))


def process_clock(pid: int) -> int:
    """The clock of another process's CPU time, as Linux's clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def checksum_in(said: bytes) -> str:
    """The checksum in `S01234567\\n`.

    Raises:
        RunError: the program said something else.
    """
    match = re.fullmatch(rb"S([0-9a-f]{8})\n", said)
    if match is None:
        raise RunError(f"it said {said!r}, not S, eight hexadecimal digits and a line feed")
    return match[1].decode()
