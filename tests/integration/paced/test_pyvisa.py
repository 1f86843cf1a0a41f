"""Instrument tooling as it stands: PyVISA-py talks to the board's console (docs/console.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
import pyvisa
from pyvisa.resources import SerialInstrument

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_sim.paced.process import BoardProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def instrument(tmp_path: Path, firmware: BuildResult) -> Iterator[SerialInstrument]:
    """Device 7, opened by PyVISA, after its start."""
    with BoardProcess.start(tmp_path, firmware=firmware.elf, device_id=7) as board:
        manager = pyvisa.ResourceManager("@py")
        try:
            opened = manager.open_resource(
                f"ASRL{board.port}::INSTR",
                resource_pyclass=SerialInstrument,
                baud_rate=115_200,
                read_termination="\r\n",
                write_termination="\n",
                timeout=10_000,
            )
            assert isinstance(opened, SerialInstrument)
            deadline_s = monotonic() + 20
            while not opened.read().startswith("!boot id=7 "):
                assert monotonic() < deadline_s, "no !boot within 20 s"
            yield opened
            opened.close()
        finally:
            manager.close()


def query(instrument: SerialInstrument, command: str) -> str:
    """The reply; events are passed over."""
    instrument.write(command)
    while (line := instrument.read()).startswith("!"):
        pass
    return line


def test_identity_reading_and_errors(instrument: SerialInstrument, firmware: BuildResult) -> None:
    assert query(instrument, "*IDN?") == f"PlantKeeper,uno,7,{firmware.identity}"
    reading = query(instrument, "READ?")
    assert re.fullmatch(r"\d+,\d+,\d+|9\.91E37,9\.91E37,9\.91E37", reading)
    instrument.write("*CLS")
    assert query(instrument, "SYST:ERR?") == '0,"No error"'
    instrument.write("NO:SUCH:HEADER")
    assert query(instrument, "SYST:ERR?") == '-113,"Undefined header"'
    assert query(instrument, "CONF:INT?") == "300"
