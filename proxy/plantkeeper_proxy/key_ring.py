"""Device keys kept in memory: a batch of readings costs no look at them while no key changes.

Each batch is stored only if the keys' version is still the one that it was judged by; else `forget`, and judge again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import DeviceKeys, Signed
from plantkeeper_proxy.dialogue import Dialogue
from plantkeeper_proxy.vault import Vault

KEPT = 10_000  # devices, those without keys too: a stranger who makes up numbers fills no memory
NO_KEYS = DeviceKeys({})
UNKNOWN = (-inf, NO_KEYS)
UNREAD = -1
log = logging.getLogger(__name__)


class KeyRing:
    """The keys of devices that wrote lately.

    Args:
        monotonic_s: the clock by which grace periods end.
        kept: devices at most; then all are forgotten.
    """

    def __init__(self, vault: Vault, *, monotonic_s: Callable[[], float], kept: int = KEPT) -> None:
        self._vault, self._monotonic_s, self._kept = vault, monotonic_s, kept
        self.version = UNREAD
        self._devices: dict[int, tuple[float, DeviceKeys]] = {}

    def forget(self) -> None:
        """Keys have changed."""
        self.version = UNREAD
        self._devices.clear()

    def keys_of(self, device_ids: Sequence[int]) -> Dialogue[Mapping[int, DeviceKeys]]:
        """The keys of these devices as they were at `version`."""
        now_s = self._monotonic_s()
        if len(self._devices) + len(device_ids) > self._kept:
            self.forget()
        if self.version == UNREAD:
            # the version first: a change between the two looks is noticed when the batch is stored
            self.version = yield from device_keys.key_version()
        unknown = [device_id for device_id in device_ids if self._devices.get(device_id, UNKNOWN)[0] <= now_s]
        if unknown:
            yield from self._load(unknown, now_s)
        return {device_id: self._devices[device_id][1] for device_id in device_ids}

    def mark_used(self, accepted: Sequence[Signed]) -> Dialogue[None]:
        """Note which keys signed for the first time, here and in the database."""
        first = [signed for signed in accepted if signed.first_use]
        if not first:
            return
        version = yield from device_keys.mark_first_use(first)
        if version != self.version + 1:  # somebody else changed keys as well
            return
        self.version = version
        for signed in first:
            end_s, keys = self._devices[signed.device_id]
            used = replace(keys, unused=keys.unused - {signed.key_number}, has_signed=True)
            self._devices[signed.device_id] = end_s, used

    def _load(self, device_ids: Sequence[int], now_s: float) -> Dialogue[None]:
        loaded = yield from device_keys.load(self._vault, device_ids)
        for device_id in device_ids:
            found = loaded.get(device_id)
            if found is None:
                self._devices[device_id] = inf, NO_KEYS
                continue
            for error in found.errors:
                log.error("%s", error)
            end_s = inf if found.valid_for_s is None else now_s + found.valid_for_s
            self._devices[device_id] = end_s, found.keys
