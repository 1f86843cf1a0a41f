"""Finding a board again that left the bus: after the 1200-baud touch, a flash, or a power cycle."""

from __future__ import annotations

import time
from collections.abc import Callable

from plantkeeper_hil.inventory import usb
from plantkeeper_hil.inventory.entries import Entry, port_of
from plantkeeper_hil.inventory.errors import UnknownBoardError
from plantkeeper_hil.inventory.usb import Scan, UsbPort

POLL_S = 0.1


def wait_for(
    entry: Entry,
    *,
    timeout_s: float,
    scan: Scan = usb.scan,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> UsbPort:
    """Where the board is, as soon as its serial number is on the bus, at whatever path.

    Raises:
        UnknownBoardError: it did not come back.
        AmbiguousBoardError: two devices have its serial number.
    """
    deadline_s = now_s() + timeout_s
    while True:
        try:
            return port_of(entry, scan())
        except UnknownBoardError as error:
            if now_s() >= deadline_s:
                raise UnknownBoardError(f"{error} (waited {timeout_s:g} s for it to come back)") from None
        sleep(POLL_S)
