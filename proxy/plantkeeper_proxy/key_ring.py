"""Device keys kept in memory: a batch of readings costs one look at a version number, not one at every device's keys.

Not safe for several threads: the one that commits batches has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from math import inf

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import DeviceKeys
from plantkeeper_proxy.vault import Vault

KEPT = 10_000  # devices, those without keys too: a stranger who makes up numbers fills no memory
NO_KEYS = DeviceKeys({})
UNKNOWN = (-inf, NO_KEYS)
log = logging.getLogger(__name__)


class KeyRing:
    """The keys of devices that wrote lately.

    Args:
        monotonic_s: the clock by which grace periods end.
        kept: devices at most; then all are forgotten.
    """

    def __init__(self, vault: Vault, *, monotonic_s: Callable[[], float], kept: int = KEPT) -> None:
        self._vault, self._monotonic_s, self._kept = vault, monotonic_s, kept
        self._version: int | None = None
        self._devices: dict[int, tuple[float, DeviceKeys]] = {}

    def keys_of(self, connection: Connection, device_ids: Sequence[int]) -> Mapping[int, DeviceKeys]:
        """The keys of these devices, as they are in the database now."""
        if not device_ids:
            return {}
        now_s = self._monotonic_s()
        # the version first: a change between the two looks makes the next batch look again, and none is missed
        version = device_keys.key_version(connection)
        if version != self._version or len(self._devices) + len(device_ids) > self._kept:
            self._devices.clear()
            self._version = version
        unknown = [device_id for device_id in device_ids if self._devices.get(device_id, UNKNOWN)[0] <= now_s]
        if unknown:
            self._load(connection, unknown, now_s)
        return {device_id: self._devices[device_id][1] for device_id in device_ids}

    def _load(self, connection: Connection, device_ids: Sequence[int], now_s: float) -> None:
        loaded = device_keys.load(connection, self._vault, device_ids)
        for device_id in device_ids:
            found = loaded.get(device_id)
            if found is None:
                self._devices[device_id] = inf, NO_KEYS
                continue
            for error in found.errors:
                log.error("%s", error)
            end_s = inf if found.valid_for_s is None else now_s + found.valid_for_s
            self._devices[device_id] = end_s, found.keys
