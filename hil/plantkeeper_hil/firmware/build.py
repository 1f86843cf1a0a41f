"""Run PlatformIO on firmware/ and say what came out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from plantkeeper_hil import system_packages
from plantkeeper_hil.errors import FirmwareBuildError, StackError
from plantkeeper_hil.firmware import registry, scons_shim, seal, size
from plantkeeper_hil.locks import exclusive
from plantkeeper_hil.project import Project
from plantkeeper_hil.stack.janitor import Janitor
from plantkeeper_hil.stack.service import Service, finish

UNO = "uno"
RELEASED = "released.json"  # figures of the last release, in firmware/; nothing is built from them
# Our budget. An Uno's own boot loader, 512 bytes at 0x7E00, leaves 32 256; Debian's build of it, which the emulated
# board has at 0x7C00 (docs/emulator.md), leaves 31 744, and firmware/platform holds to that: one firmware fits both.
FLASH_LIMIT_BYTES = 30_720
RAM_LIMIT_BYTES = 1_024  # our budget; the rest of 2 KiB is the stack's, and 400 bytes of it stay untouched
MEGA, MKR = "mega2560", "mkrwifi1010"
VERSION = "0.1.0"
BUILD_TIMEOUT_S = 900.0  # PlatformIO may have to download its packages first
UPLOAD_TIMEOUT_S = 120.0  # an Uno takes 10 s; avrdude tries for ever where the board is unplugged meanwhile
OUTPUT_LINES_SHOWN = 30


class Toolchain(Enum):
    """Where compiler and Arduino core come from."""

    REGISTRY = "registry"
    SYSTEM = "system"


@dataclass(frozen=True)
class Kind:
    """What an environment of firmware/platformio.ini is built for.

    Args:
        flash_limit_bytes, ram_limit_bytes: what it may occupy; RAM without the stack.
        program: suffix of the file that the uploader takes.
        platform: PlatformIO's name.
        has_system_toolchain: whether platformio.system.ini can build it too.
    """

    flash_limit_bytes: int
    ram_limit_bytes: int
    program: str
    platform: str
    has_system_toolchain: bool


UNO_KIND = Kind(FLASH_LIMIT_BYTES, RAM_LIMIT_BYTES, "hex", registry.AVR, has_system_toolchain=True)
# Of 248 KiB beside the boot loader the first 64, as far as pointers to text in flash reach; half of 8 KiB of RAM.
MEGA_KIND = Kind(65_536, 4_096, "hex", registry.AVR, has_system_toolchain=True)
# 256 KiB but for the boot loader's 8 and the store's 16; of 32 KiB of RAM a quarter is left to stack and heap.
MKR_KIND = Kind(237_568, 24_576, "bin", registry.SAM, has_system_toolchain=False)


def kind_of(environment: str) -> Kind:
    """What an environment is built for."""
    return {MEGA: MEGA_KIND, MKR: MKR_KIND}.get(environment, UNO_KIND)


@dataclass(frozen=True)
class BuildResult:
    """A firmware that can be flashed or emulated.

    Args:
        hex_file: what the uploader takes; for a SAM D21 a binary image.
        flash_bytes, ram_bytes: what it occupies; RAM without the stack.
        environment: of firmware/platformio.ini.
        identity: version, git hash and ELF, as `*IDN?` must name them.
    """

    elf: Path
    hex_file: Path
    sha256: str
    flash_bytes: int
    ram_bytes: int
    toolchain: Toolchain
    environment: str
    identity: str


def build_firmware(
    project: Project,
    *,
    environment: str = UNO,
    toolchain: Toolchain | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> BuildResult:
    """Build an environment of firmware/platformio.ini; a second build of unchanged sources takes a second.

    Builds of one checkout wait for one another.

    Args:
        project: the checkout.
        environment: such as `uno`, or `uno_serial` for a board without a network.
        toolchain: PlatformIO's packages or the system's; None takes PlatformIO's where they are or can be had.
        say: takes a line for the person who waits.

    Raises:
        FirmwareBuildError: it does not compile, does not fit, or the toolchain cannot be had.
    """
    toolchain = _prepared(toolchain, say, environment)
    git = git_hash(project.root)
    source = _firmware(project, toolchain)
    with _sole(source):
        _compile(project, source, environment, git)
        return _result(source.build_dir / environment, toolchain, git)


def build_sketch(
    project: Project,
    folder: Path,
    *,
    toolchain: Toolchain | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Build a PlatformIO project beside the firmware, and give its ELF; its only environment is named as its folder.

    Args:
        project: the checkout.
        folder: with `platformio.ini`, and `platformio.system.ini` for the system's toolchain.
        toolchain, say: as for `build_firmware`.

    Raises:
        FirmwareBuildError: it does not compile, or the toolchain cannot be had.
    """
    toolchain = _prepared(toolchain, say)
    build_dir = project.build_dir / "firmware" / f"{folder.name}-{toolchain.value}"
    source = _Source(f"the {folder.name}", folder, build_dir, toolchain)
    with _sole(source):
        _compile(project, source, folder.name, git_hash(project.root))
    return source.build_dir / folder.name / "firmware.elf"


@dataclass(frozen=True)
class _Source:
    """A PlatformIO project, and how and where it is built.

    Args:
        what: messages call it.
    """

    what: str
    folder: Path
    build_dir: Path
    toolchain: Toolchain

    def beside(self, name: str) -> Path:
        """A file beside the build folder, which PlatformIO empties when its settings changed."""
        return self.build_dir.with_name(f"{name}-{self.build_dir.name}")


def _firmware(project: Project, toolchain: Toolchain) -> _Source:
    return _Source("the firmware", project.firmware_dir, project.build_dir / "firmware" / toolchain.value, toolchain)


def _prepared(toolchain: Toolchain | None, say: Callable[[str], None], environment: str = UNO) -> Toolchain:
    """The toolchain that is asked for, or else can be had; it is there afterwards."""
    kind = kind_of(environment)
    if toolchain is None:
        toolchain = Toolchain.REGISTRY if registry.use_registry(platform=kind.platform) else Toolchain.SYSTEM
    if toolchain is Toolchain.SYSTEM and not kind.has_system_toolchain:
        raise FirmwareBuildError(
            f"{environment} is built with PlatformIO's registry only (--toolchain registry), which does not answer "
            "from here; build it where it does"
        )
    if toolchain is Toolchain.SYSTEM:
        _bring("firmware", say)
    return toolchain


def _sole(source: _Source) -> AbstractContextManager[None]:
    source.build_dir.mkdir(parents=True, exist_ok=True)
    return exclusive(source.beside("build").with_suffix(".lock"))


def _compile(project: Project, source: _Source, environment: str, git: str) -> None:
    log = source.beside("build").with_suffix(".log")
    status = _run(project, source, environment, git, log, timeout_s=BUILD_TIMEOUT_S)
    if status is None:
        raise FirmwareBuildError(f"{source.what} was not built within {BUILD_TIMEOUT_S:g} s; {_end_of(log)}")
    if status != 0:
        raise FirmwareBuildError(
            f"{source.what} does not build (PlatformIO ended with status {status}); {_end_of(log)}"
        )


def upload_firmware(
    project: Project,
    firmware: BuildResult,
    port: str,
    *,
    timeout_s: float = UPLOAD_TIMEOUT_S,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Upload what was built to the board at a port; PlatformIO's uploader verifies it.

    Args:
        timeout_s: when it is given up.

    Raises:
        FirmwareBuildError: it failed, or did not end in time; has the end of what the uploader said.
    """
    if firmware.toolchain is Toolchain.SYSTEM:
        _bring("upload", say)
    source = _firmware(project, firmware.toolchain)
    git = firmware.identity.partition("+")[2].partition(".elf-")[0]
    log = source.beside("upload").with_suffix(".log")
    words = ("--target", "nobuild", "--target", "upload", "--upload-port", port)
    with _sole(source):
        status = _run(project, source, firmware.environment, git, log, *words, timeout_s=timeout_s)
    if status is None:
        raise FirmwareBuildError(
            f"the upload through {port} did not end within {timeout_s:g} s and was given up: was the board unplugged, "
            "or its supply cut? It is half-flashed now: plug it in, see that hil boards scan finds it, and flash it "
            f"again; {_end_of(log)}"
        )
    if status != 0:
        raise FirmwareBuildError(
            f"the firmware cannot be uploaded (PlatformIO ended with status {status}); {_end_of(log)}"
        )


def git_hash(root: Path) -> str:
    """Short commit hash of the checkout, with `.dirty` where firmware/ differs from it; `nogit` outside git."""
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        sources = ["firmware", f":!firmware/{RELEASED}"]
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *sources], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "nogit"
    return commit + (".dirty" if changed else "")


def _bring(group: str, say: Callable[[str], None]) -> None:
    try:
        system_packages.ensure(system_packages.GROUPS[group], say=say)
    except system_packages.MissingPackagesError as error:
        raise FirmwareBuildError(f"PlatformIO's registry cannot be reached, and {error}") from error


def _run(
    project: Project, source: _Source, environment: str, git: str, log: Path, *more: str, timeout_s: float
) -> int | None:
    """PlatformIO's status; None where it did not end in time."""
    variables = os.environ | {
        "PLATFORMIO_BUILD_DIR": str(source.build_dir),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLANTKEEPER_GIT_HASH": git,
    }
    command = [sys.executable, "-m", "platformio", "run", "--environment", environment, *more]
    if source.toolchain is Toolchain.SYSTEM:
        core_dir = project.build_dir / "platformio"
        scons_shim.write_package(core_dir)
        variables["PLATFORMIO_CORE_DIR"] = str(core_dir)
        command += ["--project-conf", str(source.folder / "platformio.system.ini")]
    log.unlink(missing_ok=True)
    with Janitor() as janitor:  # PlatformIO may download for minutes, which shall not go on when we are killed
        service = Service.start(
            log.stem,
            command,
            log_dir=log.parent,
            environment=variables,
            cwd=source.folder,
            watch=janitor.watch_process,
        )
        try:
            return finish(service, timeout_s=timeout_s)
        except StackError:
            return None


def _end_of(log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-OUTPUT_LINES_SHOWN:])
    return f"all of its output is in {log}, which ends with:\n{tail}"


def _result(folder: Path, toolchain: Toolchain, git: str) -> BuildResult:
    kind = kind_of(folder.name)
    elf, hex_file = folder / "firmware.elf", folder / f"firmware.{kind.program}"
    occupied = size.size_of(size.sections_of(elf))
    for name, used, limit in (
        ("flash", occupied.flash_bytes, kind.flash_limit_bytes),
        ("RAM", occupied.ram_bytes, kind.ram_limit_bytes),
    ):
        if used > limit:
            raise FirmwareBuildError(f"{elf}: {used} bytes of {name}; at most {limit} fit, make it smaller")
    content = elf.read_bytes()
    return BuildResult(
        elf,
        hex_file,
        hashlib.sha256(content).hexdigest(),
        occupied.flash_bytes,
        occupied.ram_bytes,
        toolchain,
        environment=folder.name,
        identity=f"{VERSION}+{git}.elf-{seal.seal_of(content, elf)}",
    )
