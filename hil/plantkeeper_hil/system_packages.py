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
import time
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
        optional: what is asked for can do without it; it is installed where that is allowed, else only named.
    """

    what: str
    present: Callable[[], bool]
    packages: tuple[str, ...]
    optional: bool = False


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
AVRDUDE = Need("avrdude (uploads to a board, and to the emulated one)", _program("avrdude"), ("avrdude",))
BOSSAC = Need("bossac (uploads to boards with a SAM D21)", _program("bossac"), ("bossa-cli",))
SIMAVR = Need(
    "simavr and its headers (oracle of the emulator's tests)",
    _any_path("/usr/include/simavr/sim_avr.h"),
    ("libsimavr-dev", "libelf-dev"),
)
NGINX = Need(
    "nginx (yardstick and backend of the gateway's benchmark)", _program("nginx", "/usr/sbin/nginx"), ("nginx-light",)
)
NGINX_ECHO = Need(
    "nginx's echo module (a backend that answers late)",
    _any_path("/usr/lib/nginx/modules/ngx_http_echo_module.so", "/usr/share/nginx/modules/ngx_http_echo_module.so"),
    ("libnginx-mod-http-echo",),
)
WRK = Need("wrk (load generator)", _program("wrk"), ("wrk",))
QEMU_AVR = Need(
    "QEMU's AVR machine (the emulator benchmark compares with it)",
    _program("qemu-system-avr"),
    ("qemu-system-misc",),
    optional=True,
)
CHROMIUM = Need(
    "Chromium (tests of the gateway's status page)",
    _program("chromium", "chromium-browser", "google-chrome"),
    ("chromium",),
)

GROUPS: Mapping[str, tuple[Need, ...]] = {
    "emulator": (C_COMPILER,),
    "firmware": (AVR_TOOLCHAIN, AVR_LIBC, ARDUINO_CORE),
    "upload": (AVRDUDE,),
    "emulated-board": (AVRDUDE, ARDUINO_CORE),
    "tests": (
        C_COMPILER,
        CXX_COMPILER,
        AVR_TOOLCHAIN,
        AVR_LIBC,
        ARDUINO_CORE,
        AVRDUDE,
        BOSSAC,
        SIMAVR,
        NGINX,
        NGINX_ECHO,
        WRK,
        CHROMIUM,
    ),
    "bench": (C_COMPILER, AVR_TOOLCHAIN, AVR_LIBC, SIMAVR, QEMU_AVR),
    "bench-gateway": (C_COMPILER, NGINX, NGINX_ECHO, WRK),
}

LOCK_WAIT_S = 300.0  # another apt-get may download for minutes
LOCK_POLL_S = 1.0
LOCKED = "Could not get lock"
PERHAPS = "--perhaps"
FOR_LATER = "Where PlatformIO's registry cannot be reached, the build of the firmware needs these too:"


def missing(needs: Iterable[Need]) -> list[Need]:
    """The needs that are not met on this machine."""
    return [need for need in needs if not need.present()]


def install_command(packages: Iterable[str]) -> str:
    """The shell command with which a person installs these Debian packages."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def ensure(needs: Iterable[Need], *, perhaps: Iterable[Need] = (), say: Callable[[str], None]) -> None:
    """Meet the needs, installing packages where this process may; optional ones that stay away are said.

    Args:
        needs: what must be there; `GROUPS` has the usual sets.
        perhaps: what will be needed where PlatformIO's registry cannot be reached; never installed from here, but a
            person who must install something anyway is told at once.
        say: takes a line for the person who waits.

    Raises:
        MissingPackagesError: something is missing and cannot be installed from here.
    """
    lacking = missing(needs)
    _ensure([need for need in lacking if not need.optional], perhaps=perhaps, say=say)
    for need in lacking:
        if need.optional:
            try:
                _ensure([need], perhaps=(), say=say)
            except MissingPackagesError as error:
                say(f"going on without {need.what}: {error}")


def _ensure(lacking: list[Need], *, perhaps: Iterable[Need], say: Callable[[str], None]) -> None:
    if not lacking:
        return
    packages, names = _packages(lacking), _names(lacking)
    later = [need for need in missing(perhaps) if need not in lacking]
    if shutil.which("apt-get") is None:
        text = f"missing: {names}. Install them with this system's package manager (on Debian: {' '.join(packages)})."
        if later:
            text += f"\n{FOR_LATER} {_names(later)} (on Debian: {' '.join(_packages(later))})."
        raise MissingPackagesError(text)
    if os.geteuid() != 0:
        text = f"missing: {names}. Install them with:\n  {install_command(packages)}"
        if later:
            text += f"\n{FOR_LATER} {_names(later)}; all at once:\n  {install_command(_packages([*lacking, *later]))}"
        raise MissingPackagesError(text)
    say(f"installing Debian packages for {names}: {' '.join(packages)}")
    _apt_get("update", "-qq", say=say)
    _apt_get("install", "-qq", "--yes", "--no-install-recommends", *packages, say=say)
    still = missing(lacking)
    if still:
        raise MissingPackagesError(f"installed {' '.join(packages)}, but still missing: {_names(still)}")


def _packages(needs: Iterable[Need]) -> list[str]:
    return sorted({package for need in needs for package in need.packages})


def _names(needs: Iterable[Need]) -> str:
    return ", ".join(need.what for need in needs)


def _apt_get(*arguments: str, say: Callable[[str], None], wait_s: float = LOCK_WAIT_S) -> None:
    """Run apt-get; where another one holds its locks, wait for that one.

    apt itself waits for dpkg's lock only (`DPkg::Lock::Timeout`, apt-get(8)), not for those of lists and archives.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}  # errors in the words that we know
    deadline_s = time.monotonic() + wait_s
    said = False
    while True:
        left_s = max(0.0, deadline_s - time.monotonic())
        command = ["apt-get", "-o", f"DPkg::Lock::Timeout={left_s:.0f}", *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return
        if LOCKED not in result.stderr or left_s == 0:
            break
        if not said:
            said = True
            say(f"another program installs packages; waiting up to {wait_s:g} s for it")
        time.sleep(min(LOCK_POLL_S, left_s))
    raise MissingPackagesError(
        f"apt-get {' '.join(arguments)} failed with status {result.returncode}:\n{result.stderr[-2000:]}"
    )


def main(arguments: list[str]) -> int:
    """Meet the needs of the groups named on the command line; those after `--perhaps` may be needed later."""
    split = arguments.index(PERHAPS) if PERHAPS in arguments else len(arguments)
    now, perhaps = arguments[:split], arguments[split + 1 :]
    if not now or any(name not in GROUPS for name in (*now, *perhaps)):
        names = "|".join(GROUPS)
        print(f"usage: system_packages.py {names} … [{PERHAPS} {names} …]", file=sys.stderr)
        return 2
    try:
        ensure(_needs(now), perhaps=_needs(perhaps), say=lambda line: print(line, flush=True))
    except MissingPackagesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _needs(groups: Iterable[str]) -> list[Need]:
    return list(dict.fromkeys(need for group in groups for need in GROUPS[group]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
