"""`hil firmware`: builds the firmware and tells what it takes: budgets, change since the last release, a peer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plantkeeper_hil.firmware import figures as sums
from plantkeeper_hil.firmware import footprint, peer
from plantkeeper_hil.firmware.build import MEGA, RELEASED, UNO, BuildResult, Toolchain, build_firmware, build_sketch
from plantkeeper_hil.firmware.figures import MEASURES, Figures, Release
from plantkeeper_hil.firmware.peer import PeerFigures
from plantkeeper_hil.firmware.rigs import RIGS
from plantkeeper_hil.project import Project

OVER_BUDGET_STATUS = 1
TABLE_WIDTH = 110  # also where it goes to a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options; `--toolchain` comes from its parent."""
    parser.add_argument(
        "--release", metavar="VERSION", help="keep these figures in firmware/released.json, as those of that version"
    )
    parser.set_defaults(run=run)


def run(project: Project, options: argparse.Namespace) -> int:
    """Build, measure, report; the status is 0 where every budget is kept.

    Raises:
        FirmwareBuildError: something does not build.
        UsageError: `--release` names what cannot be one.
    """
    chosen = None if options.toolchain == "auto" else Toolchain(options.toolchain)
    built = {name: build_firmware(project, environment=name, toolchain=chosen, say=print) for name in RIGS}
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, TABLE_WIDTH)
    for result in built.values():
        console.print(f"{result.elf}\n{result.hex_file}\nsha256 {result.sha256}")
    mega = build_firmware(project, environment=MEGA, toolchain=chosen, say=print)
    console.print(f"{mega.elf}\nflash {mega.flash_bytes} bytes, static RAM {mega.ram_bytes} bytes; not run here")
    boards = {name: _measured(project, result) for name, result in built.items()}
    toolchain = built[UNO].toolchain
    released_file = project.firmware_dir / RELEASED
    if options.release is not None:
        _record(project, released_file, options.release, built[UNO], boards)
    released = _released(released_file)
    console.print(_table(boards, sums.comparable(released, toolchain.value), _compared(released, toolchain)))
    console.print(_parts(boards, sums.comparable(released, toolchain.value)))
    sketch = peer.measure(build_sketch(project, peer.folder_of(project), toolchain=toolchain))
    console.print(_beside(boards[UNO], sketch))
    console.print(_in_power_down(boards[UNO], footprint.powered_down_share(built[UNO].elf)))
    _write(project.build_dir / "firmware" / "figures.json", boards, sketch)
    over = sums.breaches(boards)
    for line in over:
        console.print(Text(f"over budget: {line}", style="bold red"))
    return OVER_BUDGET_STATUS if over else 0


def _measured(project: Project, built: BuildResult) -> Figures:
    taken = footprint.measure(built.elf, built.environment)
    parts = footprint.flash_by_part(built.elf, project.firmware_dir)
    return Figures(built.flash_bytes, built.ram_bytes, **asdict(taken), flash_by_part=parts)


def _record(project: Project, path: Path, version: str, built: BuildResult, boards: Mapping[str, Figures]) -> None:
    changelog = (project.root / "CHANGELOG.md").read_text(encoding="utf-8")
    commit = sums.check_release(version, identity=built.identity, changelog=changelog)
    path.write_text(sums.encode(Release(version, commit, built.toolchain.value, boards)), encoding="utf-8")


def _released(path: Path) -> Release | None:
    return sums.decode(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else None


def _compared(released: Release | None, toolchain: Toolchain) -> str:
    if released is None:
        return "no release yet"
    if released.toolchain != toolchain.value:
        return f"{released.version} was built with the toolchain of the {released.toolchain}: not compared"
    return f"change against {released.version}, {released.commit}"


def _table(boards: Mapping[str, Figures], released: Release | None, title: str) -> Table:
    table = Table(title=f"what it takes; {title}", title_justify="left")
    table.add_column("", no_wrap=True)
    for board in boards:
        table.add_column(board, justify="right")
        table.add_column("change", justify="right")
    table.add_column("budget")
    for measure in MEASURES:
        cells: list[str | Text] = [measure.title]
        for board, figures in boards.items():
            before = released.boards.get(board) if released else None
            cells.append(Text(str(measure.of(figures)), style="" if measure.is_kept(figures) else "bold red"))
            cells.append(sums.change(measure.of(figures), measure.of(before) if before else None))
        table.add_row(*cells, measure.budget)
    return table


def _parts(boards: Mapping[str, Figures], released: Release | None) -> Table:
    table = Table(title="flash by part, bytes", title_justify="left")
    table.add_column("", no_wrap=True)
    for board in boards:
        table.add_column(board, justify="right")
        table.add_column("change", justify="right")
    for part in dict.fromkeys(part for figures in boards.values() for part in figures.flash_by_part):
        cells = [part]
        for board, figures in boards.items():
            before = released.boards.get(board) if released else None
            now = figures.flash_by_part.get(part, 0)
            cells += [str(now), sums.change(now, before.flash_by_part.get(part, 0) if before else None)]
        table.add_row(*cells)
    return table


def _beside(ours: Figures, sketch: PeerFigures) -> Table:
    table = Table(title=f"beside a plain sketch (firmware/{peer.FOLDER}), in the same run", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("this firmware", "signed", "sketch"):
        table.add_column(name, justify="right")
    signed = ours.reading_cycles + ours.signature_cycles
    for row in (
        ("flash, bytes", ours.flash_bytes, "", sketch.flash_bytes),
        ("static RAM, bytes", ours.ram_bytes, "", sketch.ram_bytes),
        ("RAM that nothing ever touched, bytes", ours.untouched_bytes, "", sketch.untouched_bytes),
        ("at work for a reading, cycles", ours.reading_cycles, signed, sketch.working_cycles),
        ("awake for a reading, cycles", ours.reading_cycles, signed, sketch.awake_cycles),
        *(
            (title, *(f"{of(cycles):.1f}" for cycles in (ours.reading_cycles, signed, sketch.awake_cycles)))
            for title, of in (
                ("awake a day, s", footprint.awake_s_a_day),
                ("charge of the ATmega328P alone, mAh a day", footprint.charge_mah_a_day),
            )
        ),
    ):
        table.add_row(*map(str, row))
    return table


def _in_power_down(ours: Figures, share: float) -> str:
    charge = footprint.charge_mah_a_day(ours.reading_cycles + ours.signature_cycles, powered_down=share)
    return f"with CONF:SLE:DEEP ON, {share:.1%} of the time in power-down: about {charge:.1f} mAh a day"


def _write(path: Path, boards: Mapping[str, Figures], sketch: PeerFigures) -> None:
    found = {"boards": {name: asdict(figures) for name, figures in boards.items()}, "sketch": asdict(sketch)}
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
