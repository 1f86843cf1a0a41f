"""Serial ports as USB sees them, and which boards stand behind vendor and product numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serial.tools import list_ports

Scan = Callable[[], Sequence["UsbPort"]]


@dataclass(frozen=True)
class Product:
    """A board that announces itself.

    Args:
        platform: its environment in firmware/platformio.ini.
        name: what it is called.
    """

    platform: str
    name: str


# Vendor and product numbers as Arduino's boards.txt has them (arduino/ArduinoCore-avr, arduino/ArduinoCore-samd)
PRODUCTS = {
    (0x2341, 0x0043): Product("uno", "Arduino Uno R3"),
    (0x2341, 0x0001): Product("uno", "Arduino Uno"),
    (0x2A03, 0x0043): Product("uno", "Arduino Uno R3"),
    (0x2341, 0x0243): Product("uno", "Arduino Uno R3"),
    (0x2341, 0x0042): Product("mega2560", "Arduino Mega 2560 R3"),
    (0x2341, 0x0010): Product("mega2560", "Arduino Mega 2560"),
    (0x2A03, 0x0042): Product("mega2560", "Arduino Mega 2560 R3"),
    (0x2341, 0x8054): Product("mkrwifi1010", "Arduino MKR WiFi 1010"),
    (0x2341, 0x0054): Product("mkrwifi1010", "Arduino MKR WiFi 1010 (boot loader)"),
}


@dataclass(frozen=True)
class UsbPort:
    """A serial port of a USB device.

    Args:
        device: path, which may be another one after the next plugging.
        serial: the device's own number; None where it has none, as many clones.
        location: which socket of which hub, such as 1-1.4.
    """

    device: str
    vid: int
    pid: int
    serial: str | None
    location: str | None
    product: str | None = None

    @property
    def known(self) -> Product | None:
        """Which board it is, where vendor and product numbers tell."""
        return PRODUCTS.get((self.vid, self.pid))

    @property
    def name(self) -> str:
        """What it is called."""
        return self.known.name if self.known else self.product or f"USB {self.vid:04x}:{self.pid:04x}"


def scan() -> list[UsbPort]:
    """The USB serial ports of this machine, by location."""
    ports = [
        UsbPort(port.device, port.vid, port.pid, port.serial_number or None, port.location, port.product)
        for port in list_ports.comports()
        if port.vid is not None and port.pid is not None
    ]
    return sorted(ports, key=lambda port: (port.location or "", port.device))
