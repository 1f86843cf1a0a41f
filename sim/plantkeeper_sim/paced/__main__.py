"""`plantkeeper-board`: an Uno with its sensors, in real time, its serial port on a pseudo-terminal.

It says on standard output, as lines of JSON, where the port is and what happens to the board. With --control it takes
commands on standard input, one a line, and ends with it: `reset`, `power-cycle`, `unplug`, `plug`, `babble on`,
`babble off`, `half-flash`, `status`, `save`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from plantkeeper_sim.avr.mcu import POWER_ON_RESET
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.errors import SimError
from plantkeeper_sim.flashing import (
    Bootloader,
    flashed,
    load_application,
    load_bootloader,
    optiboot,
    with_bootloader,
)
from plantkeeper_sim.paced import state
from plantkeeper_sim.paced.board import PacedBoard
from plantkeeper_sim.paced.port import PtyPort
from plantkeeper_sim.provision import BoardConfig, eeprom_image

CONSOLE_BAUD = 115_200
ERASED = b"\xff"


class Server:
    """The board and its controls.

    Args:
        paced: the board.
        bootloader: in its boot section.
        folder: where flash and EEPROM are kept; None: nowhere.
        say: takes a line of JSON for whoever started this.
    """

    def __init__(
        self,
        paced: PacedBoard,
        *,
        bootloader: Bootloader,
        folder: Path | None,
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        self._paced, self._bootloader, self._folder, self._say = paced, bootloader, folder, say
        self._commands: dict[str, Callable[[], None]] = {
            "reset": paced.reset,
            "power-cycle": lambda: paced.reset(POWER_ON_RESET),
            "unplug": paced.unplug,
            "plug": paced.plug,
            "babble on": lambda: self._babble(on=True),
            "babble off": lambda: self._babble(on=False),
            "half-flash": self._half_flash,
            "status": lambda: None,
            "save": self.save,
        }
        self._typed = b""
        paced.on_closed = self.save  # as an upload ends

    def run(self, *, control: int | None, ended: Callable[[], bool]) -> None:
        """Until `ended()`, or until standard input ends.

        Args:
            control: descriptor from which commands are read.
            ended: asked once a tick.
        """
        listen = [] if control is None else [control]
        while not ended():
            typed = [os.read(descriptor, 4096) for descriptor in self._paced.wait(*listen)]
            self._paced.tick()  # what was done to the port before a command was given counts before it
            if b"" in typed:
                return
            for data in typed:
                self._take(data)

    def save(self) -> None:
        """Keep flash and EEPROM, where there is a place for them."""
        if self._folder is not None:
            mcu = self._paced.board.mcu
            state.save(self._folder, state.Kept(mcu.flash, mcu.eeprom))

    def status(self) -> dict[str, Any]:
        """What can be said of the board."""
        paced = self._paced
        return {
            "port": str(paced.port.link) if paced.port.plugged else None,
            "in_use": paced.port.in_use,
            "baud": paced.port.baud,
            "resets": paced.resets,
            "crash": paced.crash,
            "time_s": round(paced.board.mcu.time_s, 6),
        }

    def _take(self, data: bytes) -> None:
        *lines, self._typed = (self._typed + data).split(b"\n")
        for line in lines:
            word = line.decode("utf-8", "replace").strip()
            command = self._commands.get(word)
            if command is None:
                self._say({"error": f"no command {word!r}; there are: {', '.join(self._commands)}"})
                continue
            try:
                command()
            except SimError as error:
                self._say({"error": str(error)})
            else:
                self._say({"done": word, **self.status()})

    def _babble(self, *, on: bool) -> None:
        self._paced.babbling = on

    def _half_flash(self) -> None:
        """As an upload leaves it that broke off in the middle: the application's second half is gone."""
        flash = self._paced.board.mcu.flash
        application = flash[: self._bootloader.fuses.boot_start].rstrip(ERASED)
        half = application[: len(application) // 2]
        self._paced.flash(with_bootloader(half, self._bootloader).image)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plantkeeper-board", description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="symbolic link that will name the port")
    parser.add_argument("--firmware", type=Path, help="application in its flash (.elf, .hex, .bin); default: erased")
    parser.add_argument("--bootloader", type=Path, help="default: Optiboot of Debian's arduino-core-avr")
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder in which flash and EEPROM are kept")
    parser.add_argument("--device-id", type=int, default=1, help="its number at the backend (default 1)")
    parser.add_argument("--unconfigured", action="store_true", help="an EEPROM without a configuration")
    parser.add_argument("--period-s", type=int, default=300, help="seconds between readings (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the plant and the chips (default 1)")
    parser.add_argument(
        "--map", action="append", default=[], metavar="ADDRESS:PORT=HOST:PORT", help="lead its network to a host"
    )
    parser.add_argument("--native-usb", action="store_true", help="reset by a 1200-baud touch, not by opening the port")
    parser.add_argument("--control", action="store_true", help="take commands on standard input, and end with it")
    return parser


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise SimError(f"{text}: expected HOST:PORT, such as 192.0.2.10:8080")
    return host, int(port)


def _board(options: argparse.Namespace, bootloader: Bootloader) -> UnoBoard:
    config = BoardConfig(options.device_id, period_s=options.period_s)
    kept = state.load(options.state) if options.state else None
    eeprom = kept.eeprom if kept else b"" if options.unconfigured else eeprom_image(config)
    if kept and not options.firmware:
        firmware = flashed(kept.flash)
    else:
        firmware = with_bootloader(load_application(options.firmware) if options.firmware else b"", bootloader)
    board = UnoBoard(firmware, config, seed=options.seed, eeprom=eeprom, fuses=bootloader.fuses, live=True)
    for words in options.map:
        address, _, to = words.partition("=")
        board.network.map(*_endpoint(address), to=_endpoint(to))
    return board


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a board until it is told to end (SIGTERM, Ctrl-C, end of input with --control)."""
    options = _arguments().parse_args(arguments)
    ended = False

    def end(_signal: int, _frame: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        bootloader = load_bootloader(options.bootloader or optiboot())
        board = _board(options, bootloader)
        options.link.parent.mkdir(parents=True, exist_ok=True)
        port = PtyPort(options.link, baud=CONSOLE_BAUD)
        try:
            paced = PacedBoard(
                board,
                port,
                native_usb=options.native_usb,
                random=Random(f"{options.seed}/babble"),
                report=lambda line: _say({"event": line}),
            )
            server = Server(paced, bootloader=bootloader, folder=options.state, say=_say)
            _say({"ready": True, **server.status()})
            server.run(control=sys.stdin.fileno() if options.control else None, ended=lambda: ended)
            server.save()
        finally:
            port.unplug()
            board.close()
    except (SimError, ValueError) as error:
        print(f"plantkeeper-board: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
