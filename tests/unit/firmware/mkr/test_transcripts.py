"""The golden transcripts of the console (tests/contract/console) on the MKR WiFi 1010's firmware."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mkr_board import Bench, Cause

pytestmark = [pytest.mark.sanitize]

TRANSCRIPTS = sorted((Path(__file__).parents[3] / "contract" / "console").glob("*.txt"))


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_golden_transcript(transcript: Path, bench: Bench) -> None:
    first = bench.start()
    for line in ("CONF:DEV:ID 7", 'CONF:WIFI:SSID "greenhouse"', "CONF:SAVE"):
        assert first.send(line) == ""
    board = bench.start()
    board.run(5)
    lines = [line for line in transcript.read_text().splitlines() if not line.startswith("#")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("> "):
            continue
        reply = board.send(line[2:])
        if board.ended is not None:
            board = bench.start(Cause.PROGRAM)
            reply = ""
        expected = following[2:] if following.startswith("< ") else ""
        expected = re.escape(expected.replace(",uno,", ",mkrwifi1010,"))
        expected = expected.replace(r"\{firmware\}", r"0\.1\.0\+[0-9a-z.]+\.elf-[0-9a-f]{16}")
        assert re.fullmatch(expected, reply), (line, reply)
