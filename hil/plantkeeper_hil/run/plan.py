"""What a run is asked to do. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv4Address

from plantkeeper_hil.errors import UsageError
from plantkeeper_sim.provision import BoardConfig

SECONDS_PER_HOUR = 3600
FIRST_READING_S = 4.0  # within that after boot (docs/architecture.md section 4)
MAX_HOURS = 24 * 366
MAX_BOARDS = 100
FIRST_ADDRESS = IPv4Address("192.0.2.20")


@dataclass(frozen=True)
class RunPlan:
    """Seed, length and number of boards.

    Args:
        seed: of everything random.
        hours: virtual hours.
        boards: how many; their device ids are 1 to this.
        leased: they lease their addresses by DHCP.
        deep_sleep: they power down between readings.

    Raises:
        UsageError: a number is out of range.
    """

    seed: int
    hours: float
    boards: int
    leased: bool = False
    deep_sleep: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed {self.seed}: expected 0…2^63 − 1")
        if not (math.isfinite(self.hours) and 0 < self.hours <= MAX_HOURS):
            raise UsageError(f"--hours {self.hours:g}: expected more than 0, at most {MAX_HOURS} (a year)")
        if not 1 <= self.boards <= MAX_BOARDS:
            raise UsageError(f"--boards {self.boards}: expected 1…{MAX_BOARDS}")

    @property
    def virtual_s(self) -> float:
        """Length in virtual seconds."""
        return self.hours * SECONDS_PER_HOUR

    @property
    def device_ids(self) -> range:
        """The boards' ids at the backend."""
        return range(1, self.boards + 1)

    def config(self, device_id: int) -> BoardConfig:
        """The configuration of one of the boards."""
        address = FIRST_ADDRESS + device_id - 1
        return BoardConfig(device_id, address=address, dhcp=self.leased, deep_sleep=self.deep_sleep)


def readings_expected(virtual_s: float, period_s: int) -> tuple[int, int]:
    """Fewest and most readings of a board in so much time: the first comes within 4 s, then one a period.

    Returns:
        (fewest, most); they differ only where the time ends within 4 s of a reading.
    """
    most = math.floor(virtual_s / period_s) + 1
    late = virtual_s - FIRST_READING_S
    fewest = math.floor(late / period_s) + 1 if late >= 0 else 0
    return fewest, most
