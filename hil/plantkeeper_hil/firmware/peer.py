"""The peer: a plain Arduino sketch that does what boards in the field do (firmware/peers), on the same board."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from plantkeeper_hil.errors import HilError
from plantkeeper_hil.firmware.footprint import PAINT, PERIOD_S, RAM_END
from plantkeeper_hil.firmware.rigs import EthernetRig
from plantkeeper_hil.firmware.size import sections_of, size_of
from plantkeeper_hil.project import Project
from plantkeeper_sim.avr import load_elf

FOLDER = Path("peers", "sketch")
START_S = 4


@dataclass(frozen=True)
class PeerFigures:
    """What the sketch takes.

    Args:
        untouched_bytes: between its heap, where its `String`s are, and its stack.
        working_cycles: of a reading: from waking up to the end of the connection.
        awake_cycles: of a reading, with the wait for the next one.
    """

    flash_bytes: int
    ram_bytes: int
    untouched_bytes: int
    working_cycles: int
    awake_cycles: int


class PeerError(HilError):
    """The sketch did not do what it is to be compared for."""


def folder_of(project: Project) -> Path:
    """Where its sources are."""
    return project.firmware_dir / FOLDER


def measure(elf: Path) -> PeerFigures:
    """Run the sketch from power-on to its second reading; its LED is on while it works.

    Raises:
        PeerError: a reading was not delivered.
    """
    firmware, size = load_elf(elf), size_of(sections_of(elf))
    bottom = firmware.stack_limit
    with EthernetRig(firmware, signed=False, period_s=PERIOD_S) as rig:
        mcu = rig.board.mcu
        mcu.write_data(bottom, bytes([PAINT]) * (RAM_END - bottom))
        awake_at: list[int] = []  # awake cycles when the LED went on, off, on, off
        mcu.pin("PB0").watch(lambda _level, _cycles: awake_at.append(mcu.awake_cycles))
        rig.board.run_for(START_S + PERIOD_S)
        said = [line for _, line in rig.board.lines]
        if len(said) != 2 or not all(line.startswith("POST ") and line.endswith(": 200") for line in said):
            raise PeerError(f"{elf}: the sketch did not deliver two readings, but said {said}")
        return PeerFigures(
            flash_bytes=size.flash_bytes,
            ram_bytes=size.ram_bytes,
            untouched_bytes=longest_run(mcu.read_data(bottom, RAM_END - bottom), PAINT),
            working_cycles=awake_at[3] - awake_at[2],
            awake_cycles=awake_at[2] - awake_at[0],
        )


def longest_run(data: bytes, value: int) -> int:
    """How many bytes in a row have that value, at most."""
    return max((len(list(run)) for byte, run in groupby(data) if byte == value), default=0)
