"""Devices behind a pseudo-terminal that no firmware would be, for tests of the serial side."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

STEP_S = 0.002


class PtyDevice:
    """Something at a pty; `on_open`, `on_bytes` and `step` make it what it is.

    As on an Arduino's USB port, opening the port is a reset pulse: `on_open` is called then.
    """

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.path = os.ttyname(slave)
        attributes = termios.tcgetattr(slave)
        attributes[0] = attributes[1] = attributes[3] = 0  # raw
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        os.close(slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.unplug()
        if self.failure is not None:
            raise self.failure

    def unplug(self) -> None:
        """Take the port away, under whoever has it."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            os.close(self._master)

    def send(self, data: bytes) -> None:
        """Bytes to whoever has the port open."""
        os.write(self._master, data)

    def on_open(self) -> None:
        """Somebody opened the port."""

    def on_bytes(self, data: bytes) -> None:
        """Somebody sent something."""

    def step(self) -> None:
        """Time goes by."""

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        opened = False
        try:
            while not self._stop.is_set():
                flags = poll.poll(STEP_S * 1000)
                if flags and flags[0][1] & select.POLLHUP:
                    opened = False
                    self._stop.wait(STEP_S)
                    continue
                if not opened:
                    opened = True
                    self.on_open()
                with contextlib.suppress(OSError):  # closed since
                    if flags:
                        self.on_bytes(os.read(self._master, 4096))
                    self.step()
        except BaseException as error:
            self.failure = error


class Scripted(PtyDevice):
    """Answers each chunk of bytes by a function, and says something at regular intervals."""

    def __init__(
        self,
        answer: Callable[[bytes], bytes] = lambda _data: b"",
        *,
        says: Callable[[], bytes] = lambda: b"",
        period_s: float = 0.05,
    ) -> None:
        super().__init__()
        self._answer, self._says, self._period_s = answer, says, period_s
        self._next_s = 0.0

    def on_bytes(self, data: bytes) -> None:
        self.send(self._answer(data))

    def step(self) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._period_s
            self.send(self._says())
