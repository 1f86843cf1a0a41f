"""What a board says of itself: the reply to `*IDN?` (docs/console.md). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDN = re.compile(
    r"(?P<maker>[^,]+),(?P<model>[^,]+),(?P<device_id>\d+),"
    r"(?P<version>\d+\.\d+\.\d+)\+(?P<git_hash>[0-9a-z]+(?:\.dirty)?)\.elf-(?P<elf_prefix>[0-9a-f]{16})"
)


@dataclass(frozen=True)
class Identity:
    """A board and its firmware.

    Args:
        device_id: the board's number at the backend; 0 where nobody configured it.
        git_hash: of the checkout that the firmware was built from, with `.dirty` where firmware/ differed.
        elf_prefix: the ELF's seal, 16 hexadecimal digits (firmware/scripts/seal.py).
    """

    maker: str
    model: str
    device_id: int
    version: str
    git_hash: str
    elf_prefix: str

    @classmethod
    def parse(cls, reply: str) -> Identity:
        """Read the reply to `*IDN?`.

        Raises:
            ValueError: it is none of this project's firmware.
        """
        match = _IDN.fullmatch(reply)
        if match is None:
            raise ValueError(
                f"{reply!r} is no identity of this firmware; "
                "expected PlantKeeper,<board>,<id>,<version>+<git>.elf-<16 digits>"
            )
        return cls(
            match["maker"],
            match["model"],
            int(match["device_id"]),
            match["version"],
            match["git_hash"],
            match["elf_prefix"],
        )

    @property
    def firmware(self) -> str:
        """Version, git hash and ELF as the board says them."""
        return f"{self.version}+{self.git_hash}.elf-{self.elf_prefix}"

    def __str__(self) -> str:
        return f"{self.maker} {self.model}, device {self.device_id}, firmware {self.firmware}"
