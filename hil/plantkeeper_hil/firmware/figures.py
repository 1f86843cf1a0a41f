"""What a firmware takes, in figures: kept for a release, held against budgets and against the last release. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.firmware.build import FLASH_LIMIT_BYTES, RAM_LIMIT_BYTES

UNTOUCHED_LIMIT_BYTES = 400
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Figures:
    """What one board's firmware takes (`footprint.Footprint`, and its sizes)."""

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    untouched_bytes: int
    reading_cycles: int
    signature_cycles: int
    flash_by_part: Mapping[str, int]


@dataclass(frozen=True)
class Release:
    """The figures of a released version.

    Args:
        version: a heading of CHANGELOG.md.
        commit: that it was built from.
        toolchain: that built it; another compiler makes other sizes.
        boards: by environment of firmware/platformio.ini.
    """

    version: str
    commit: str
    toolchain: str
    boards: Mapping[str, Figures]


@dataclass(frozen=True)
class Measure:
    """A row of the table.

    Args:
        attribute: of `Figures`.
        at_most, at_least: the budget; None: there is none.
    """

    title: str
    attribute: str
    at_most: int | None = None
    at_least: int | None = None

    def of(self, figures: Figures) -> int:
        """Its value."""
        value: int = getattr(figures, self.attribute)
        return value

    @property
    def budget(self) -> str:
        """In words."""
        if self.at_most is not None:
            return f"at most {self.at_most}"
        return "" if self.at_least is None else f"at least {self.at_least}"

    def is_kept(self, figures: Figures) -> bool:
        """Whether the figures are within the budget."""
        value = self.of(figures)
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


MEASURES = (
    Measure("flash, bytes", "flash_bytes", at_most=FLASH_LIMIT_BYTES),
    Measure("static RAM, bytes", "ram_bytes", at_most=RAM_LIMIT_BYTES),
    Measure("stack at its deepest, bytes", "stack_bytes"),
    Measure("RAM that nothing ever touched, bytes", "untouched_bytes", at_least=UNTOUCHED_LIMIT_BYTES),
    Measure("awake for a reading, cycles", "reading_cycles"),
    Measure("more where it is signed, cycles", "signature_cycles"),
)


def breaches(boards: Mapping[str, Figures]) -> list[str]:
    """What is over budget, by board."""
    return [
        f"{board}: {measure.title}: {measure.of(figures)}, {measure.budget}"
        for board, figures in boards.items()
        for measure in MEASURES
        if not measure.is_kept(figures)
    ]


def change(now: int, before: int | None) -> str:
    """How a figure differs from the released one: `+12`, `−3`, `0`; empty where there was none."""
    if before is None:
        return ""
    sign = "+" if now > before else MINUS if now < before else ""
    return f"{sign}{abs(now - before)}"


def comparable(release: Release | None, toolchain: str) -> Release | None:
    """The release, where figures of this toolchain can be held against it."""
    return release if release is not None and release.toolchain == toolchain else None


def encode(release: Release) -> str:
    """As `firmware/released.json` has it."""
    return json.dumps(asdict(release), indent=2) + "\n"


def decode(text: str, where: str) -> Release:
    """Read `firmware/released.json`.

    Args:
        where: the text is from, for the error.

    Raises:
        UsageError: it is not of that form.
    """
    try:
        data = json.loads(text)
        boards = {board: Figures(**figures) for board, figures in data.pop("boards").items()}
        return Release(**data, boards=boards)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{where}: not the figures of a release ({error!r}); make them by nox -s firmware -- --release VERSION"
        ) from error


def check_release(version: str, *, identity: str, changelog: str) -> str:
    """The commit of a version that may be recorded as released.

    Args:
        version: asked for.
        identity: of the firmware that was built, `0.1.0+abc1234567.elf-…`.
        changelog: text of CHANGELOG.md.

    Raises:
        UsageError: the firmware is of another version, CHANGELOG.md does not know it, or what was built is no commit.
    """
    built, _, rest = identity.partition("+")
    commit = rest.partition(".elf-")[0]
    if built != version:
        raise UsageError(f"--release {version}: the firmware says that it is {built}")
    if f"\n## [{version}]" not in changelog:
        raise UsageError(f"--release {version}: CHANGELOG.md has no section [{version}]")
    if commit == "nogit" or commit.endswith(".dirty"):
        raise UsageError(
            f"--release {version}: built from {commit}; commit firmware/ first, so that it can be built again"
        )
    return commit
