"""A board's configuration record in EEPROM (docs/architecture.md section 3), from the host's side."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address

RECORD = struct.Struct("<4sHi6s4s4s4s4sHHH32s4HH")
MAGIC = b"PKC4"
FLAG_DHCP, FLAG_DEEP_SLEEP = 1, 2
RECORD_BYTES = RECORD.size + 2
SLOTS_AT = (128, 256)
EEPROM_BYTES = 1024
MAX_ID = 2**31 - 1
KEY_BYTES, MAX_KEY_NUMBER = 32, 2**16 - 1


ADDRESS, MASK = IPv4Address("192.0.2.20"), IPv4Address("255.255.255.0")
ROUTER, GATEWAY = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.10")
GATEWAY_PORT = 8080


@dataclass(frozen=True)
class BoardConfig:
    """What makes a board this board.

    Args:
        device_id: its number at the backend, 1…2147483647.
        period_s: seconds between readings, a multiple of 4.
        key_number, key: signs what the board posts (docs/signatures.md); number 0: nothing does.
        soil_codes, light_codes: raw codes at which the scale begins and ends: dry and wet, dark and bright.
        dhcp: address, mask and router come from a DHCP server instead.
        deep_sleep: power-down between readings, while nobody uses the console.
    """

    device_id: int
    address: IPv4Address = ADDRESS
    mask: IPv4Address = MASK
    router: IPv4Address = ROUTER
    gateway: IPv4Address = GATEWAY
    gateway_port: int = GATEWAY_PORT
    period_s: int = 300
    key_number: int = 0
    key: bytes = field(default=bytes(KEY_BYTES), repr=False)
    soil_codes: tuple[int, int] = (1023, 700)
    light_codes: tuple[int, int] = (160, 800)
    dhcp: bool = False
    deep_sleep: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.device_id <= MAX_ID:
            raise ValueError(f"device id {self.device_id}: expected 1…{MAX_ID}")
        if not 4 <= self.period_s <= 65532 or self.period_s % 4:
            raise ValueError(f"period of {self.period_s} s: expected 4…65532, a multiple of 4")
        if not 1 <= self.gateway_port <= 65535:
            raise ValueError(f"gateway port {self.gateway_port}: expected 1…65535")
        if not 0 <= self.key_number <= MAX_KEY_NUMBER:
            raise ValueError(f"key number {self.key_number}: expected 0 (no key)…{MAX_KEY_NUMBER}")
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"key of {len(self.key)} bytes: expected {KEY_BYTES}")

    @property
    def mac(self) -> bytes:
        """Locally administered MAC address with the id's low three bytes."""
        return b"\x02\x00\x00" + (self.device_id & 0xFFFFFF).to_bytes(3, "big")


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def encode(config: BoardConfig, *, generation: int = 0) -> bytes:
    """The record's 82 bytes.

    Args:
        generation: counts the records; of two whole ones the firmware takes the later.
    """
    body = RECORD.pack(
        MAGIC,
        generation,
        config.device_id,
        config.mac,
        config.address.packed,
        config.mask.packed,
        config.router.packed,
        config.gateway.packed,
        config.gateway_port,
        config.period_s,
        config.key_number,
        config.key,
        *config.soil_codes,
        *config.light_codes,
        FLAG_DHCP * config.dhcp | FLAG_DEEP_SLEEP * config.deep_sleep,
    )
    return body + crc16(body).to_bytes(2, "little")


def eeprom_image(config: BoardConfig) -> bytes:
    """A whole EEPROM, erased but for the record in its first slot."""
    return (b"\xff" * SLOTS_AT[0] + encode(config)).ljust(EEPROM_BYTES, b"\xff")
