"""Intel HEX files (Intel, Hexadecimal Object File Format Specification, revision A, 1988): records in, bytes out."""

from __future__ import annotations

from collections.abc import Iterator

from plantkeeper_sim.errors import FirmwareError


def records(text: str, name: str) -> Iterator[tuple[int, bytes]]:
    """(address, data) of each data record, in the file's order.

    Args:
        text: the file's.
        name: what messages call it.

    Raises:
        FirmwareError: a line is no record, its checksum is wrong, or the end record is missing.
    """
    base = 0
    for number, line in enumerate(text.split(), 1):
        try:
            record = bytes.fromhex(line.removeprefix(":"))
        except ValueError:
            record = b""
        if not line.startswith(":") or len(record) < 5 or len(record) != record[0] + 5:
            raise FirmwareError(f"{name}, line {number}: {line[:20]!r} is no Intel HEX record")
        if sum(record) & 0xFF:
            raise FirmwareError(f"{name}, line {number}: wrong checksum; the file is damaged")
        data = record[4:-1]
        match record[3]:
            case 0:
                yield base + int.from_bytes(record[1:3], "big"), data
            case 1:
                return
            case 2:
                base = int.from_bytes(data, "big") << 4
            case 4:
                base = int.from_bytes(data, "big") << 16
            case 3 | 5:
                pass  # where a processor with segments would start
            case kind:
                raise FirmwareError(f"{name}, line {number}: record type {kind}; Intel HEX has 0…5")
    raise FirmwareError(f"{name}: no end record; the file is cut off")
