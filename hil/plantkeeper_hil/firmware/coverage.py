"""Which lines of the firmware its tests run: `python -m plantkeeper_hil.firmware.coverage FOLDER`.

Of firmware/lib on the host, by what gcov says of the folder in which the tests' driver was compiled with
`--coverage` and run; of the ELF on the emulated board, by the addresses that ran, through its DWARF
(`nox -s coverage` makes both). Fails below the goal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkeeper_hil.errors import HilError
from plantkeeper_hil.project import find_project
from plantkeeper_sim.avr import load_elf

GOAL_PERCENT = 95.0


class CoverageError(HilError):
    """There is nothing to report."""


@dataclass(frozen=True)
class FileCoverage:
    """Lines of one source file.

    Args:
        missed: numbers of the lines with code that no test ran.
    """

    name: str
    lines: int
    missed: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Share of the lines that were run."""
        return 100 * (self.lines - len(self.missed)) / self.lines if self.lines else 100.0


def merge(reports: Iterable[Mapping[str, Any]], lib: str) -> list[FileCoverage]:
    """One entry a file below `lib`, from gcov's JSON of all objects: a line counts as run if it ran in any of them."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for report in reports:
        for file in report["files"]:
            _, found, name = file["file"].partition(lib)
            if not found:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                counts[name][number] = counts[name].get(number, 0) + line["count"]
    return [
        FileCoverage(name, len(lines), tuple(sorted(number for number, count in lines.items() if not count)))
        for name, lines in sorted(counts.items())
    ]


def by_addresses(lines: Iterable[tuple[int, str]], ran: Collection[int], names: Collection[str]) -> list[FileCoverage]:
    """One entry a source file: a line counts as run if any instruction that begins it did.

    Args:
        lines: address and `file:line` of each entry of the line table.
        ran: addresses of instructions that ran.
        names: the files that count.
    """
    runs: dict[str, dict[int, bool]] = defaultdict(dict)
    for address, place in lines:
        name, _, number = place.rpartition(":")
        if name in names:
            runs[name][int(number)] = runs[name].get(int(number), False) or address in ran
    return [
        FileCoverage(name, len(lines_), tuple(sorted(number for number, did in lines_.items() if not did)))
        for name, lines_ in sorted(runs.items())
    ]


def total_percent(files: Sequence[FileCoverage]) -> float:
    """Share of all lines that were run."""
    lines = sum(file.lines for file in files)
    return 100 * (lines - sum(len(file.missed) for file in files)) / lines if lines else 0.0


def read(folder: Path) -> list[FileCoverage]:
    """Ask gcov about a folder.

    Raises:
        CoverageError: nothing was compiled there with `--coverage`, or never run.
    """
    data = sorted(folder.glob("*.gcda"))
    if not data:
        raise CoverageError(f"{folder} holds no *.gcda; run `nox -s coverage`, which makes them")
    output = subprocess.run(
        ["gcov", "--json-format", "--stdout", *(path.name for path in data)],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return merge((json.loads(line) for line in output.splitlines() if line.strip()), "firmware/lib/")


def read_elf(folder: Path, firmware_dir: Path) -> list[FileCoverage]:
    """Lines of the ELF that the tests on the emulated board ran.

    Raises:
        CoverageError: they did not run.
    """
    elf, ran = folder / "firmware.elf", folder / "elf.json"
    if not ran.is_file():
        raise CoverageError(f"{ran} is missing; run `nox -s coverage`, which makes it")
    names = {path.name for kind in ("src", "lib") for path in firmware_dir.glob(f"{kind}/**/*.*")}
    return by_addresses(load_elf(elf).lines, frozenset(json.loads(ran.read_text())), names)


def _print(files: Sequence[FileCoverage], what: str) -> float:
    for file in files:
        missed = f"  not run: {', '.join(map(str, file.missed))}" if file.missed else ""
        print(f"{file.percent:6.1f} %  {file.lines:4} lines  {file.name}{missed}")
    percent = total_percent(files)
    print(f"{percent:6.1f} %  {sum(file.lines for file in files):4} lines of {what}; the goal is {GOAL_PERCENT:g} %\n")
    return percent


def main(arguments: Sequence[str]) -> int:
    """Print both tables, write `coverage.json` into the folder; status 1 where one is below the goal."""
    folder = Path(arguments[0])
    try:
        reports = {
            "firmware/lib on the host": read(folder),
            "the ELF on the emulated board": read_elf(folder, find_project(Path.cwd()).firmware_dir),
        }
    except CoverageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    percents = {what: _print(files, what) for what, files in reports.items()}
    summary = {
        what: {
            "percent": round(percents[what], 2),
            "files": {f.name: {"lines": f.lines, "missed": f.missed} for f in files},
        }
        for what, files in reports.items()
    }
    (folder / "coverage.json").write_text(json.dumps(summary, indent=2) + "\n")
    return 0 if min(percents.values()) >= GOAL_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
