"""avr8js as the benchmark runs it: fetched with npm into the benchmark's own folder, under Node.js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from plantkeeper_sim.bench.peer import AbsentError, Run, output_of, parse_run
from plantkeeper_sim.bench.program import Program

VERSION = "0.21.1"
RUNNER = Path(__file__).with_name("avr8js_runner.js")
INSTALL_TIMEOUT_S = 120.0


class Avr8js:
    """avr8js behind `avr8js_runner.js`.

    Args:
        program: what to run.
        cache: folder in which the package stays between runs.

    Raises:
        AbsentError: Node.js or npm is missing, or npm cannot fetch the package.
    """

    name = "avr8js"

    def __init__(self, program: Program, cache: Path) -> None:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise AbsentError("no Node.js with npm (Debian: nodejs, npm)")
        module = cache / "node_modules" / "avr8js"
        if not (module / "package.json").is_file():
            install(npm, cache)
        self._node = node
        self._command = [
            node, str(RUNNER), str(module.resolve()), str(program.image), str(program.end),
            str(program.checksum_address),
        ]  # fmt: skip

    def version(self) -> str:
        """Package and Node.js."""
        return f"avr8js {VERSION}, Node.js {output_of([self._node, '--version']).strip()}"

    def run(self) -> Run:
        """Run until the PC stands on the program's end."""
        return parse_run(output_of(self._command))


def install(npm: str, cache: Path) -> None:
    """Fetch the package into `cache/node_modules`.

    Raises:
        AbsentError: npm fails; the message has the end of what it says.
    """
    cache.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(cache), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(
            [*command, f"avr8js@{VERSION}"], capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise AbsentError(f"npm did not fetch avr8js within {INSTALL_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise AbsentError(f"npm cannot fetch avr8js@{VERSION}: {last}")
