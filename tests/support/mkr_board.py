"""The MKR WiFi 1010's firmware on the host: lib/, src/ and src/samd21/ over stand-ins for Arduino's core and WiFiNINA.

One process is one time under power, in virtual time; the flash is a file, so it outlives the process.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

FAKES = Path(__file__).parents[1] / "unit" / "firmware" / "mkr" / "fakes"
STORE_BYTES = 0x4000
NEVER = -1
STRICT = ["-std=c++11", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
DEFINES = ["-DPK_WIFI", '-DPK_BOARD="mkrwifi1010"', '-DPK_VERSION="0.1.0"', '-DPK_GIT_HASH="abc1234567"']


class Cause(IntEnum):
    """PM.RCAUSE (DS40001882 chapter 16)."""

    POWER_ON = 0x01
    BROWN_OUT_33 = 0x04
    RESET_PIN = 0x10
    WATCHDOG = 0x20
    PROGRAM = 0x40


@dataclass(frozen=True)
class Sources:
    """What the firmware is compiled from.

    Args:
        includes: flags.
        files: of the firmware, without the stand-ins.
    """

    includes: tuple[str, ...]
    files: tuple[Path, ...]


def sources(root: Path) -> Sources:
    """The files that [env:mkrwifi1010] compiles."""
    firmware = root / "firmware"
    others = ("w5500", "tunnel")
    src = [path for path in sorted((firmware / "src").glob("*.cpp")) if not path.name.startswith(others)]
    folders = [firmware / "src" / "samd21", firmware / "src", *sorted((firmware / "lib").iterdir())]
    return Sources(
        tuple(f"-I{folder}" for folder in (FAKES, *folders)),
        (*src, *sorted((firmware / "src" / "samd21").glob("*.cpp")), *sorted(firmware.glob("lib/*/*.cpp"))),
    )


class Board:
    """One time under power; a context manager, at whose end the power goes."""

    def __init__(self, program: Path, flash: Path, *, cause: Cause, cut_after: int, noise: int) -> None:
        self._process = subprocess.Popen(
            [program, flash, str(cut_after), str(noise)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"RCAUSE": str(int(cause))},
        )
        self.console = ""
        self.requests: list[tuple[int, str, bytes]] = []
        self.left_network_ms: list[int] = []
        self.joined_with: list[str] = []  # a `fixed` address, or one that the module `leased`
        self.ended: str | None = None
        self.now_us = 0
        self.led = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _, said = self._process.communicate(timeout=30)
        assert (self._process.returncode, said) == (0, "")

    def do(self, command: str) -> str:
        """Carry out a command of the stand-ins (fakes/main.cpp); returns what the console said meanwhile."""
        assert self.ended is None, f"{command}: the board has ended: {self.ended}"
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        said = ""
        for line in self._process.stdout:
            name, _, rest = line.rstrip("\n").partition(" ")
            if name == "console":
                said += bytes.fromhex(rest).decode()
            elif name == "request":
                at_ms, target, content = rest.split(" ")
                self.requests.append((int(at_ms), target, bytes.fromhex(content)))
            elif name in {"fixed", "leased"}:
                self.joined_with.append(name)
            elif name == "left":
                self.left_network_ms.append(int(rest))
            elif name == "end":
                self.ended, at_us = rest.split(" ")
                self.now_us = int(at_us)
            elif name == "ok":
                at, led = rest.split(" ")
                self.now_us, self.led = int(at), led == "1"
                break
        self.console += said
        if self.ended is None:
            assert self._process.poll() is None, self._process.stderr.read() if self._process.stderr else ""
        return said

    def run(self, seconds: float) -> str:
        """Let virtual time pass."""
        return self.do(f"run {round(seconds * 1000)}")

    def send(self, line: str) -> str:
        """Type a line; returns the reply, "" where there is none. Events between are passed over."""
        said = self.do(f"type {(line + chr(10)).encode().hex()}")
        return "".join(part for part in said.split("\r\n") if not part.startswith("!"))

    def peer(self, kind: str, content: bytes = b"", number: int = 0) -> None:
        """What the next connection meets (fakes/nina.cpp)."""
        self.do(f"peer {kind} {content.hex() or '-'} {number}")

    def events(self, name: str) -> list[dict[str, str]]:
        """The fields of all events of a name so far."""
        found = re.findall(rf"^!{name}\b(.*)\r$", self.console, re.MULTILINE)
        return [dict(field.split("=", 1) for field in fields.split()) for fields in found]


@dataclass
class Bench:
    """A board's flash, and power for it as often as a test likes."""

    program: Path
    flash: Path
    stack: ExitStack

    def powered(self, cause: Cause = Cause.POWER_ON, *, cut_after: int = NEVER, noise: int = 1) -> Board:
        """Power on, before the firmware's first line; the flash is as the last time left it."""
        board = Board(self.program, self.flash, cause=cause, cut_after=cut_after, noise=noise)
        self.stack.callback(board.__exit__, None, None, None)
        return board

    def start(self, cause: Cause = Cause.POWER_ON, *, cut_after: int = NEVER, noise: int = 1) -> Board:
        """Power on, a host at its port."""
        board = self.powered(cause, cut_after=cut_after, noise=noise)
        board.do("start")
        return board

    def content(self) -> bytes:
        """The flash's."""
        return self.flash.read_bytes()

    def put(self, content: bytes) -> None:
        """Set the flash's content."""
        self.flash.write_bytes(content)


CONFIGURATION = (
    "CONF:DEV:ID 7",
    "CONF:INT 60",
    "CONF:NET:IP 192.0.2.20",
    'CONF:WIFI:SSID "greenhouse"',
    'CONF:WIFI:PASS "correct horse"',
    "CONF:SAVE",
)


def configure(board: Board) -> None:
    """Set it up, as a person would."""
    for line in CONFIGURATION:
        assert board.send(line) == ""
    assert board.send("SYST:ERR?") == '0,"No error"'
