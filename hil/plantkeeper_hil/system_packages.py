"""Distribution packages that pip cannot bring: compilers and the AVR toolchain.

Standard library only, since noxfile.py runs it before anything is installed. As root on Debian (or a
relative with apt-get) missing packages are installed, and that is said; elsewhere the exact command is
printed and the caller stops.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


class MissingPackagesError(Exception):
    """Programs are missing that this user must install; the message holds the command."""


@dataclass(frozen=True)
class Need:
    """One thing that must be there.

    Args:
        what: name for people.
        present: tells whether it is there.
        packages: Debian packages that bring it.
    """

    what: str
    present: Callable[[], bool]
    packages: tuple[str, ...]


def _program(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _any_path(*patterns: str) -> Callable[[], bool]:
    return lambda: any(any(Path("/").glob(pattern.lstrip("/"))) for pattern in patterns)


C_COMPILER = Need(
    "C compiler and C library headers",
    lambda: _program("cc", "gcc", "clang")() and _any_path("/usr/include/stdio.h", "/usr/local/include/stdio.h")(),
    ("gcc", "libc6-dev"),
)
CXX_COMPILER = Need("C++ compiler (host tests of firmware/lib)", _program("g++", "c++", "clang++"), ("g++",))
AVR_TOOLCHAIN = Need("AVR compiler", _program("avr-gcc"), ("gcc-avr", "binutils-avr"))
AVR_LIBC = Need("AVR C library", _any_path("/usr/lib/avr/include/avr/io.h", "/usr/avr/include/avr/io.h"), ("avr-libc",))
ARDUINO_CORE = Need(
    "Arduino AVR core",
    _any_path("/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h"),
    ("arduino-core-avr",),
)
SIMAVR = Need(
    "simavr and its headers (oracle of the emulator's tests)",
    _any_path("/usr/include/simavr/sim_avr.h"),
    ("libsimavr-dev", "libelf-dev"),
)
CHROMIUM = Need(
    "Chromium (tests of the gateway's status page)",
    _program("chromium", "chromium-browser", "google-chrome"),
    ("chromium",),
)

GROUPS: Mapping[str, tuple[Need, ...]] = {
    "emulator": (C_COMPILER,),
    "firmware": (AVR_TOOLCHAIN, AVR_LIBC, ARDUINO_CORE),
    "tests": (C_COMPILER, CXX_COMPILER, AVR_TOOLCHAIN, AVR_LIBC, ARDUINO_CORE, SIMAVR, CHROMIUM),
    "bench": (C_COMPILER, AVR_TOOLCHAIN, AVR_LIBC, SIMAVR),
}


def missing(needs: Iterable[Need]) -> list[Need]:
    """The needs that are not met on this machine."""
    return [need for need in needs if not need.present()]


def install_command(packages: Iterable[str]) -> str:
    """The shell command with which a person installs these Debian packages."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def ensure(needs: Iterable[Need], *, say: Callable[[str], None]) -> None:
    """Meet the needs, installing packages where this process may.

    Args:
        needs: what must be there; `GROUPS` has the usual sets.
        say: takes a line for the person who waits.

    Raises:
        MissingPackagesError: something is missing and cannot be installed from here.
    """
    lacking = missing(needs)
    if not lacking:
        return
    packages = sorted({package for need in lacking for package in need.packages})
    names = ", ".join(need.what for need in lacking)
    if shutil.which("apt-get") is None:
        raise MissingPackagesError(
            f"missing: {names}. Install them with this system's package manager (on Debian: {' '.join(packages)})."
        )
    if os.geteuid() != 0:
        raise MissingPackagesError(f"missing: {names}. Install them with:\n  {install_command(packages)}")
    say(f"installing Debian packages for {names}: {' '.join(packages)}")
    _apt_get("update", "-qq")
    _apt_get("install", "-qq", "--yes", "--no-install-recommends", *packages)
    still = missing(lacking)
    if still:
        raise MissingPackagesError(
            f"installed {' '.join(packages)}, but still missing: {', '.join(need.what for need in still)}"
        )


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise MissingPackagesError(
            f"apt-get {' '.join(arguments)} failed with status {result.returncode}:\n{result.stderr[-2000:]}"
        )


def main(arguments: list[str]) -> int:
    """Meet the needs of the groups named on the command line."""
    unknown = [name for name in arguments if name not in GROUPS]
    if unknown or not arguments:
        print(f"usage: system_packages.py {'|'.join(GROUPS)} …", file=sys.stderr)
        return 2
    try:
        for name in arguments:
            ensure(GROUPS[name], say=lambda line: print(line, flush=True))
    except MissingPackagesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
