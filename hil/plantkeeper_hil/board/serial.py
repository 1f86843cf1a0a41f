"""A board at a serial port: /dev/tty…, a pty, or one of pyserial's URLs (rfc2217://, socket://)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serial

from plantkeeper_hil.board import holders
from plantkeeper_hil.board.base import BOOT_TIMEOUT_S, Capability, ConsoleBoard, Reset
from plantkeeper_hil.board.errors import (
    BoardBusyError,
    BoardError,
    BoardGarbledError,
    BoardGoneError,
    BoardSilentError,
    BoardTimeoutError,
    BootloaderOnlyError,
    UnsupportedError,
)
from plantkeeper_hil.board.frames import Frame, FrameSplitter, encode
from plantkeeper_hil.board.identity import Identity
from plantkeeper_hil.board.lines import ConsoleLine, LineSplitter, garbled_bytes, is_garbled, show, wall_now
from plantkeeper_hil.board.tunnel import Route, Tunnel

BAUD = 115200
READ_S = 0.05
BOOT_WAIT_S = 2.5  # a board that the open port resets says !boot within that; its boot loader waits for 1 s
ASK_S = 8.0  # it may be busy with a gateway that does not answer
DTR_PULSE_S = 0.1
LOADER_WAIT_S, LOADER_ASK_S = 2.5, 0.1
LEAVE_S = 1.5  # a board with native USB that restarts is off the bus within that
TOUCH_BAUD = 1200
# STK500 version 1, which Optiboot speaks: GET_SYNC, and its answer (AVR061 section 3)
STK_GET_SYNC, STK_IN_SYNC = b"0 ", b"\x14\x10"


class SerialBoard(ConsoleBoard):
    """A `Board` at a port.

    Opening resets a board whose DTR line does so, as an Uno's; either way it must say who it is within some seconds.

    Args:
        name: what the board is called in messages.
        port: a device's path or pyserial's URL.
        baud: bits a second.
        power_cycle: switches the board's supply off and on again; None where nothing can.
        find_port: where the board is after it left the bus; None where its port never changes.
        route: where the connections of a board without a network lead to (`Tunnel`); None refuses them all.
        boot_wait_s, ask_s: how long it may take to boot, and to answer `*IDN?`.

    Raises:
        BoardGoneError: no such port.
        BoardBusyError: another process has it.
        BoardGarbledError, BootloaderOnlyError, BoardSilentError: it does not speak as it should.
    """

    def __init__(
        self,
        name: str,
        port: str,
        *,
        baud: int = BAUD,
        power_cycle: Callable[[], None] | None = None,
        find_port: Callable[[], str] | None = None,
        route: Route | None = None,
        boot_wait_s: float = BOOT_WAIT_S,
        ask_s: float = ASK_S,
    ) -> None:
        super().__init__(name)
        self.port, self.baud = port, baud
        self._power_cycle, self._find_port = power_cycle, find_port
        self._boot_wait_s, self._ask_s = boot_wait_s, ask_s
        self._changed = threading.Condition()
        self._splitter = LineSplitter()
        self._frames = FrameSplitter()
        self._writing = threading.Lock()
        self.tunnel = Tunnel(route or (lambda _address, _port: None), self._send_frame)
        self._failure: BoardError | None = None
        self._serial: Any = None  # pyserial has no common type for ports and URLs
        self._reader: threading.Thread | None = None
        try:
            self._open()
            self._say_hello()
        except BaseException:
            self.close()
            raise

    def __str__(self) -> str:
        return f"board {self.name} at {self.port}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Power cycles, where something can switch its supply."""
        return frozenset({Capability.POWER_CYCLE} if self._power_cycle else ())

    def close(self) -> None:
        """Close the port; the next who opens it finds it free."""
        self._close_port()
        self.tunnel.close()

    def _close_port(self) -> None:
        if self._serial is not None:
            port, self._serial = self._serial, None
            if self._reader is not None:
                self._reader.join()
            with contextlib.suppress(OSError, serial.SerialException):
                port.close()

    # ---- what ConsoleBoard asks for ----------------------------------------------------------------------------

    def _now_s(self) -> float:
        return time.monotonic()

    def _write(self, data: bytes) -> None:
        self._check()
        if self._serial is None:
            raise BoardGoneError(f"{self} was closed; open it again")
        try:
            with self._writing:  # a frame and a line of the console, each whole
                self._serial.write(data)
                self._serial.flush()
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from error

    def _wait_for_lines(self, known: int, deadline_s: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._lines) > known or self._failure is not None or self._serial is None,
                timeout=max(0.0, deadline_s - self._now_s()),
            )
            if len(self._lines) > known:
                return
        self._check()
        if self._serial is None:
            raise BoardGoneError(f"{self} was closed; open it again")

    def _start_anew(self, how: Reset) -> None:
        if how is Reset.WATCHDOG:
            self._restart_by_command()
        elif how is Reset.DTR:
            self._pulse_dtr()
        elif how is Reset.POWER:
            if self._power_cycle is None:
                raise UnsupportedError(
                    f"{self}: nothing can switch its power; give its USB hub's place in boards.yaml (docs/hil.md)"
                )
            self._reopened(self._power_cycle)
        else:
            self._reopened(self._touch_1200)

    def _unfinished(self) -> str:
        return self._splitter.rest

    # ---- opening -----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._failure = None
        self._splitter.clear()
        self._frames.clear()
        self._serial = open_port(self.port, self.baud, str(self))
        self._reader = threading.Thread(target=self._read, args=(self._serial,), name=str(self), daemon=True)
        self._reader.start()

    def _read(self, port: Any) -> None:
        while self._serial is port:
            try:
                data = port.read(1)
                if data:
                    data += port.read(port.in_waiting)
            except (OSError, serial.SerialException, TypeError) as error:
                with self._changed:
                    if self._serial is port:
                        self._failure = self._gone(error)
                    self._changed.notify_all()
                return
            if data:
                self._take(data)

    def _send_frame(self, frame: Frame) -> None:
        with contextlib.suppress(BoardError):  # the board is gone, and whoever waits for it is told
            self._write(encode(frame))

    def _take(self, data: bytes) -> None:
        text, frames = self._frames.feed(data)
        for frame in frames:
            self.tunnel.take(frame)
        with self._changed:
            self._lines += self._splitter.feed(text, time_s=self._now_s(), wall=wall_now())
            self._changed.notify_all()

    def _say_hello(self) -> None:
        """Wait until the board boots or answers; else say what is wrong with it."""
        with contextlib.suppress(BoardTimeoutError, BoardGarbledError):
            self._await(lambda line: line.text.startswith("!boot ") or None, 0, self._boot_wait_s, "!boot")
        try:
            # an unfinished line of whoever had the port before ends at the CR, and its error is forgotten
            self._write(b"\r*CLS\n*IDN?\n")
            self._await(_identity, 0, self._ask_s, "a reply to '*IDN?'")
        except (BoardTimeoutError, BoardGarbledError):
            raise self._what_is_wrong() from None

    def _what_is_wrong(self) -> BoardError:
        seen, tail = self._splitter.bytes_seen, self._splitter.tail
        if self._loader_answers():
            return BootloaderOnlyError(
                f"{self}: only its boot loader answers, so its firmware is missing or half-written; flash it: "
                f"hil flash --board {self.name}"
            )
        last = show(self._lines, self._unfinished())
        if is_garbled(tail):
            return BoardGarbledError(f"{self}: {self._garbled(tail)}; the last lines:\n{last}")
        if seen:
            return BoardSilentError(
                f"{self}: it does not answer *IDN? within {self._ask_s:g} s; flash this project's firmware "
                f"(hil flash --board {self.name}); the last lines:\n{last}"
            )
        return BoardSilentError(
            f"{self}: nothing comes from it at {self.baud} baud; is it powered, is this its port (hil boards scan), "
            f"does it run this project's firmware (hil flash --board {self.name})?"
        )

    def _garbled(self, tail: bytes) -> str:
        return (
            f"{garbled_bytes(tail)} of the last {len(tail)} bytes are no console text, so the baud rate is not "
            f"{self.baud} (--baud), or the board babbles"
        )

    def _timeout_error(self, message: str) -> BoardError:
        tail, device = self._splitter.tail, Path(self.port)
        if device.exists() and (others := holders.processes_with(device)):
            return BoardBusyError(f"{self}: {_named(others)} has the port too and may have read it; end it\n{message}")
        if is_garbled(tail):
            return BoardGarbledError(f"{self}: {self._garbled(tail)}\n{message}")
        return BoardTimeoutError(message)

    def _loader_answers(self) -> bool:
        """Whether a boot loader is in sync with us (STK500), asked for as long as one takes to come round."""
        deadline_s = self._now_s() + LOADER_WAIT_S
        while self._now_s() < deadline_s:
            try:
                self._write(STK_GET_SYNC)
            except BoardError:
                return False
            with self._changed:
                if self._changed.wait_for(lambda: STK_IN_SYNC in self._splitter.tail, timeout=LOADER_ASK_S):
                    return True
        return False

    # ---- resetting -----------------------------------------------------------------------------------------------

    def _pulse_dtr(self) -> None:
        self._check()
        port = self._serial
        if port is None:
            raise BoardGoneError(f"{self} was closed; open it again")
        if self.port.startswith("socket://"):
            raise UnsupportedError(
                f"{self}: a plain socket carries no DTR line; export it as rfc2217://, or reset by *RST"
            )
        try:
            port.dtr = False
            time.sleep(DTR_PULSE_S)
            port.dtr = True
        except (OSError, serial.SerialException):
            # a pty has no such line; there, opening is the pulse, as it is on a board's USB port
            self._reopened(lambda: time.sleep(DTR_PULSE_S))

    def _restart_by_command(self) -> None:
        """`*RST`. A board with native USB takes its port with it, and is found again."""
        known = len(self._lines)
        self._write(b"*RST\n")
        if self._find_port is None:
            return

        def has_started() -> bool:
            return any(line.text.startswith("!boot ") for line in self._lines[known:])

        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or has_started(), timeout=LEAVE_S)
            has_left = self._failure is not None
        if has_left:
            self._reopened(lambda: None)

    def _touch_1200(self) -> None:
        """Open at 1200 baud and close: boards with native USB start their boot loader (Arduino's convention)."""
        port = open_port(self.port, TOUCH_BAUD, str(self))
        with contextlib.suppress(OSError, serial.SerialException):
            port.dtr = False
        port.close()
        time.sleep(DTR_PULSE_S)

    def _reopened(self, between: Callable[[], None]) -> None:
        """Close the port, act, and open it once it is there again."""
        self._close_port()
        between()
        if self._find_port is not None:
            self.port = self._find_port()
        deadline_s = self._now_s() + BOOT_TIMEOUT_S
        while True:
            try:
                self._open()
            except BoardGoneError:
                if self._now_s() >= deadline_s:
                    raise
                time.sleep(READ_S)
            else:
                return

    # ---- failures -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _gone(self, error: BaseException) -> BoardError:
        device = Path(self.port)
        if device.exists() and (others := holders.processes_with(device)):
            return BoardBusyError(f"{self}: {_named(others)} took the port ({error}); end it, then run again")
        return BoardGoneError(
            f"{self}: the port was closed in the middle ({error}); was it unplugged? The last lines:\n"
            f"{show(self._lines, self._splitter.rest)}"
        )


def _named(others: list[tuple[int, str]]) -> str:
    return ", ".join(f"process {pid} ({command[:80]})" for pid, command in others)


def _identity(line: ConsoleLine) -> Identity | None:
    try:
        return Identity.parse(line.text)
    except ValueError:
        return None


def open_port(port: str, baud: int, who: str) -> Any:
    """Open a port for nobody but us.

    Raises:
        BoardBusyError: another process has it.
        BoardGoneError: there is no such port, or it cannot be opened.
    """
    try:
        opened = serial.serial_for_url(port, baudrate=baud, timeout=READ_S, do_not_open=True)
        if "://" not in port:
            opened.exclusive = True
        opened.open()
    except ValueError as error:
        raise BoardGoneError(f"{who}: {port!r} is no port: {error}; give /dev/…, rfc2217://… or socket://…") from error
    except (OSError, serial.SerialException) as error:
        device = Path(port)
        if "://" not in port and device.exists():
            if isinstance(error, PermissionError) or getattr(error, "errno", None) == 13:
                raise BoardGoneError(
                    f"{who}: this user may not open {port}; be in its group: sudo usermod -aG dialout $USER, "
                    "then log in again"
                ) from error
            if "exclusively lock" in str(error) or "busy" in str(error).lower():
                named = _named(holders.processes_with(device)) or "a process that this user may not see"
                raise BoardBusyError(f"{who}: {named} has it; end it, then run again") from error
        raise BoardGoneError(
            f"{who}: {port} cannot be opened ({error}); is the board plugged in? hil boards scan lists what is there"
        ) from error
    return opened
