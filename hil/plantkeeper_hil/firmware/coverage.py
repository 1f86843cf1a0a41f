"""Which lines of firmware/lib its host tests run: `python -m plantkeeper_hil.firmware.coverage FOLDER`.

Reads what gcov says of the folder in which the tests' driver was compiled with `--coverage` and run
(`nox -s coverage`); fails below the goal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkeeper_hil.errors import HilError

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


def main(arguments: Sequence[str]) -> int:
    """Print the table, write `firmware-lib.json` into the folder; status 1 below the goal."""
    folder = Path(arguments[0])
    try:
        files = read(folder)
    except CoverageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for file in files:
        missed = f"  not run: {', '.join(map(str, file.missed))}" if file.missed else ""
        print(f"{file.percent:6.1f} %  {file.lines:4} lines  {file.name}{missed}")
    percent = total_percent(files)
    print(
        f"{percent:6.1f} %  {sum(file.lines for file in files):4} lines of firmware/lib; the goal is {GOAL_PERCENT:g} %"
    )
    summary = {"percent": round(percent, 2), "files": {f.name: {"lines": f.lines, "missed": f.missed} for f in files}}
    (folder / "firmware-lib.json").write_text(json.dumps(summary, indent=2) + "\n")
    return 0 if percent >= GOAL_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
