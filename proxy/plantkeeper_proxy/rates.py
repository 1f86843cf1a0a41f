"""How often a device, and an address, may send: token buckets, kept as the time at which each is full again. Pure.

A bucket holds `limit` tokens, gets `limit` each period, and gives one a request. All that needs to be kept of it is one
time (the generic cell rate algorithm, ITU-T I.371). A bucket that is full again is as good as forgotten, so memory goes
with what was sent of late, and has a bound: beyond it, who was silent for longest is forgotten first and starts with a
full bucket again. A flood of invented devices can widen limits, never narrow another's.

Whose allowance: a reading counts for its device and the address that it came from, so that a stranger who posts as
somebody else's device uses up an allowance of his own, unless he shares the board's address (one NAT for both).
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable

from plantkeeper_proxy.errors import TooOftenError

DEVICE_PER_MINUTE = 60  # boards post every 5 minutes, and at most 8 at once from their queue
ADDRESS_PER_SECOND = 0
KEPT = 100_000  # 20 MB at the very most


class Buckets:
    """Token buckets by key.

    Args:
        limit: requests a period, and at once.
        period_s: the period.
        kept: most buckets that are kept.
    """

    def __init__(self, limit: int, period_s: float, *, kept: int = KEPT) -> None:
        self._period_s, self._token_s, self._kept = period_s, period_s / limit, kept
        self._full_at_s: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_s)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._full_at_s

    def take(self, key: Hashable, now_s: float) -> float:
        """Take a token; returns 0, or in how many seconds there will be one."""
        full_at_s = max(self._full_at_s.get(key, now_s), now_s) + self._token_s
        wait_s = full_at_s - now_s - self._period_s
        if wait_s > self._token_s * 1e-9:  # what adding up times costs in precision
            return wait_s
        self._full_at_s[key] = full_at_s
        self._full_at_s.move_to_end(key)
        self._forget(now_s)
        return 0.0

    def _forget(self, now_s: float) -> None:
        """Drop full buckets, two a call so that they go faster than they come, and one that is too many."""
        for _ in range(2):
            if not self._full_at_s:
                return
            oldest, full_at_s = next(iter(self._full_at_s.items()))
            if full_at_s > now_s and len(self._full_at_s) <= self._kept:
                return
            del self._full_at_s[oldest]


class Rates:
    """The limits of a gateway. Safe to use from several threads.

    Args:
        device_per_minute: readings of a device; 0 for no limit.
        address_per_second: requests of an address; 0 for no limit.
        kept: most buckets of each kind.
    """

    def __init__(
        self,
        *,
        device_per_minute: int = DEVICE_PER_MINUTE,
        address_per_second: int = ADDRESS_PER_SECOND,
        kept: int = KEPT,
    ) -> None:
        self._device_per_minute, self._address_per_second = device_per_minute, address_per_second
        self._devices = Buckets(device_per_minute, 60.0, kept=kept) if device_per_minute else None
        self._addresses = Buckets(address_per_second, 1.0, kept=kept) if address_per_second else None
        self._lock = threading.Lock()

    def take_request(self, address: str | None, now_s: float) -> None:
        """Count a request of an address, whatever it holds.

        Raises:
            TooOftenError: it is one too many.
        """
        if self._addresses is None:
            return
        with self._lock:
            wait_s = self._addresses.take(address, now_s)
        if wait_s:
            raise TooOftenError(
                f"over {self._address_per_second} requests a second from {address}", retry_after_s=math.ceil(wait_s)
            )

    def take_reading(self, device_id: int, address: str | None, now_s: float) -> None:
        """Count a reading of a device from an address; signed or not: whose signature it is shows only later.

        Raises:
            TooOftenError: it is one too many.
        """
        if self._devices is None:
            return
        with self._lock:
            wait_s = self._devices.take((device_id, address), now_s)
        if wait_s:
            raise TooOftenError(
                f"over {self._device_per_minute} readings a minute from device {device_id}",
                retry_after_s=math.ceil(wait_s),
            )
