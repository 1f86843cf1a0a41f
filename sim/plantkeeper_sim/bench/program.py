"""The program that every emulator runs: `workload.c`, compiled with avr-gcc."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from plantkeeper_sim.avr import Firmware, load_elf
from plantkeeper_sim.bench.peer import AbsentError

SOURCE = Path(__file__).with_name("workload.c")
CLOCK_HZ = 16_000_000


@dataclass(frozen=True)
class Program:
    """A compiled workload.

    Args:
        elf: the file that all run.
        image: the same as bytes of flash, for emulators that read no ELF.
        firmware: the same, loaded.
    """

    elf: Path
    image: Path
    firmware: Firmware

    @property
    def end(self) -> int:
        """Byte address that stands for the program's end."""
        return self.firmware.symbols["benchmark_end"]

    @property
    def checksum_address(self) -> int:
        """Data address of the 32-bit checksum."""
        return self.firmware.symbols["checksum"]


def compile_program(folder: Path, *, passes: int) -> Program:
    """Compile the workload.

    Args:
        folder: where its files go.
        passes: how often it does its work; one takes about 260 000 cycles.

    Raises:
        AbsentError: no AVR compiler, or it fails.
    """
    elf, image = folder / "workload.elf", folder / "workload.bin"
    command = ["avr-gcc", "-mmcu=atmega328p", "-Os", "-std=gnu11", f"-DPASSES={passes}", "-o", str(elf), str(SOURCE)]
    try:
        built = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise AbsentError("no avr-gcc (Debian: gcc-avr, avr-libc)") from error
    if built.returncode != 0:
        raise AbsentError(f"avr-gcc failed on {SOURCE.name}:\n{built.stderr}")
    firmware = load_elf(elf)
    image.write_bytes(firmware.image)
    return Program(elf, image, firmware)
