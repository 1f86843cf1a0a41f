"""Device keys in PostgreSQL: the ones that a batch of readings is judged with, and what an operator does with them.

What batches need are dialogues; what an operator does takes a connection and leaves the transaction to its caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy.authenticity import DeviceKeys, Signed
from plantkeeper_proxy.dialogue import Dialogue
from plantkeeper_proxy.errors import DeviceKeyError, StoreError, VaultError
from plantkeeper_proxy.queries import queries
from plantkeeper_proxy.vault import KEY_BYTES, Vault

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class IssuedKey:
    """A key as it is shown once.

    Args:
        ending: numbers of the device's older keys and when they end.
    """

    device_id: int
    number: int
    secret: bytes
    ending: tuple[tuple[int, datetime], ...] = ()


@dataclass(frozen=True)
class ListedKey:
    """A key as it may be shown.

    Args:
        state: active, grace (until valid_until), expired or revoked.
        reached: boot and sequence that the device has counted to; None where it never signed.
    """

    device_id: int
    number: int
    state: str
    created_at: datetime
    valid_until: datetime | None
    revoked_at: datetime | None
    first_used_at: datetime | None
    reached: tuple[int, int] | None


class KeyRow(NamedTuple):
    """A row of `keys_of_devices`: `sealed` of a key that is valid now, `valid_for_s` where that is limited."""

    number: int
    sealed: memoryview | None
    used: bool
    valid_for_s: float | None


@dataclass(frozen=True)
class LoadedKeys:
    """A device's keys.

    Args:
        valid_for_s: when the first of them ends by itself; None for none.
        errors: what went wrong with opening them.
    """

    keys: DeviceKeys
    valid_for_s: float | None
    errors: tuple[VaultError, ...]


def key_version() -> Dialogue[int]:
    """A number that changes with every change of any key.

    Raises:
        StoreError: the number is gone.
    """
    rows = yield "key_version", {}
    if not rows:
        raise StoreError("device_key_version has no row; was it deleted by hand? put one in: (true, 1)")
    return int(rows[0][0])


def load(vault: Vault, device_ids: Sequence[int]) -> Dialogue[dict[int, LoadedKeys]]:
    """What the database knows of these devices' keys, in one query; nothing for a device that never had one."""
    rows_of: dict[int, list[KeyRow]] = {}
    for device_id, *row in (yield "keys_of_devices", {"devices": list(device_ids)}):
        rows_of.setdefault(device_id, []).append(KeyRow(*row))
    return {device_id: _opened(vault, device_id, rows) for device_id, rows in rows_of.items()}


def mark_first_use(accepted: Sequence[Signed]) -> Dialogue[int]:
    """Note that keys signed for the first time; returns the version of the keys right after."""
    used = sorted({(signed.device_id, signed.key_number) for signed in accepted})
    rows = yield (
        "mark_first_use",
        {"devices": [device_id for device_id, _ in used], "numbers": [number for _, number in used]},
    )
    return int(rows[0][0])


def add(connection: Connection, vault: Vault, device_id: int, *, random: Random) -> IssuedKey:
    """Give a device its first key, or a new one after all were revoked.

    Raises:
        DeviceKeyError: it has a usable key.
    """
    known = _locked(connection, device_id)
    usable = [number for number, is_usable in known if is_usable]
    if usable:
        raise DeviceKeyError(
            f"device {device_id} has a key already ({_names(device_id, usable)}); rotate it or revoke it first"
        )
    return _issue(connection, vault, device_id, known, random)


def rotate(connection: Connection, vault: Vault, device_id: int, *, grace_s: int, random: Random) -> IssuedKey:
    """Give a device its next key; the ones before stay valid for a while.

    Raises:
        DeviceKeyError: it has no usable key.
    """
    known = _locked(connection, device_id)
    if not any(is_usable for _, is_usable in known):
        raise DeviceKeyError(f"device {device_id} has no usable key to rotate; add one")
    issued = _issue(connection, vault, device_id, known, random)
    with connection.cursor() as cursor:
        named = {"device_id": device_id, "below": issued.number, "grace_s": grace_s}
        cursor.execute(queries()["end_after_grace"], named)
        ending = tuple(sorted(cursor.fetchall()))
    return IssuedKey(device_id, issued.number, issued.secret, ending)


def revoke(connection: Connection, device_id: int, number: int | None) -> list[int]:
    """End a key, or all usable ones, at once; returns the numbers of those that were usable until now.

    Raises:
        DeviceKeyError: there is no such key.
    """
    known = dict(_locked(connection, device_id))
    if not known:
        raise DeviceKeyError(f"device {device_id} has no key; see `device list`")
    if number is not None and number not in known:
        raise DeviceKeyError(f"device {device_id} has no key {number}; it has {', '.join(map(str, known))}")
    ended = [one for one, usable in known.items() if usable and number in {None, one}]
    with connection.cursor() as cursor:
        cursor.execute(queries()["revoke"], {"device_id": device_id, "numbers": ended})
    return ended


def listed(connection: Connection) -> list[ListedKey]:
    """All keys, by device and number."""
    with connection.cursor() as cursor:
        cursor.execute(queries()["list_keys"])
        return [
            ListedKey(
                device_id, number, state, created_at, valid_until, revoked_at, first_used_at,
                None if boot is None else (boot, sequence),
            )
            for device_id, number, created_at, valid_until, revoked_at, first_used_at, boot, sequence, state
            in cursor.fetchall()
        ]  # fmt: skip


def check(connection: Connection, vault: Vault) -> int:
    """Open every key that is valid now; returns how many. For the start of a gateway.

    Raises:
        VaultError: one does not open.
    """
    rows = _sealed(connection)
    for row in rows:
        vault.open(*row)
    return len(rows)


def reseal(connection: Connection, vault: Vault, *, random: Random) -> tuple[int, int]:
    """Encrypt usable keys under the first master key, so that the others can go; returns how many, and of how many.

    Raises:
        VaultError: one does not open; nothing is changed then if the caller rolls back.
    """
    with connection.cursor() as cursor:
        cursor.execute(queries()["lock_keys"])
        rows = _sealed(connection)
        old = [row for row in rows if not vault.is_sealed_with_first(*row)]
        for device_id, number, sealed in old:
            secret = vault.open(device_id, number, sealed)
            resealed = vault.seal(device_id, number, secret, random=random)
            cursor.execute(queries()["reseal"], {"device_id": device_id, "number": number, "secret": resealed})
    return len(old), len(rows)


def _opened(vault: Vault, device_id: int, rows: Sequence[KeyRow]) -> LoadedKeys:
    secrets: dict[int, bytes] = {}
    errors: dict[int, VaultError] = {}
    for row in rows:
        if row.sealed is not None:
            try:
                secrets[row.number] = vault.open(device_id, row.number, bytes(row.sealed))
            except VaultError as error:
                errors[row.number] = error
    keys = DeviceKeys(
        secrets,
        unused=frozenset(row.number for row in rows if not row.used),
        unreadable=frozenset(errors),
        has_signed=any(row.used for row in rows),
    )
    ends = [row.valid_for_s for row in rows if row.sealed is not None and row.valid_for_s is not None]
    return LoadedKeys(keys, min(ends, default=None), tuple(errors.values()))


def _sealed(connection: Connection) -> list[tuple[int, int, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(queries()["sealed_keys"])
        return [(device_id, number, bytes(sealed)) for device_id, number, sealed in cursor.fetchall()]


def _locked(connection: Connection, device_id: int) -> list[tuple[int, bool]]:
    """The device's key numbers and whether each is usable; nobody else changes them until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(queries()["lock_device"], {"device_id": device_id})
        cursor.execute(queries()["keys_of_device"], {"device_id": device_id})
        return [(number, usable) for number, usable in cursor.fetchall()]


def _issue(
    connection: Connection, vault: Vault, device_id: int, known: Sequence[tuple[int, bool]], random: Random
) -> IssuedKey:
    number = max((number for number, _ in known), default=0) + 1
    secret = random(KEY_BYTES)
    sealed = vault.seal(device_id, number, secret, random=random)
    with connection.cursor() as cursor:
        cursor.execute(queries()["add_key"], {"device_id": device_id, "number": number, "secret": sealed})
    return IssuedKey(device_id, number, secret)


def _names(device_id: int, numbers: Sequence[int]) -> str:
    return ", ".join(f"{device_id}.{number}" for number in numbers)
