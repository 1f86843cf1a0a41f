"""What a batch of readings is judged with: keys and sequences in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import DeviceKeys, Signed
from plantkeeper_proxy.dialogue import Dialogue, converse_blocking
from plantkeeper_proxy.errors import StoreError, VaultError
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.vault import Vault

pytestmark = pytest.mark.integration
T = TypeVar("T")


@pytest.fixture
def connection(database_dsn: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(database_dsn)) as opened:
        opened.autocommit = True
        yield opened


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault([bytes(32)])


def hold(connection: Connection, dialogue: Dialogue[T]) -> T:
    def run(query: str, arguments: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []

    return converse_blocking(run, dialogue)


class Counter:
    """Bytes that never repeat, and are the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")


def loaded(connection: Connection, vault: Vault, *ids: int) -> dict[int, DeviceKeys]:
    devices = hold(connection, device_keys.load(vault, ids))
    assert not any(device.errors for device in devices.values())
    return {device_id: device.keys for device_id, device in devices.items()}


def execute(connection: Connection, query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def test_keys_that_are_valid_now_and_whether_the_device_ever_signed(connection: Connection, vault: Vault) -> None:
    random = Counter()
    first = device_keys.add(connection, vault, 7, random=random)
    second = device_keys.rotate(connection, vault, 7, grace_s=3600, random=random)
    other = device_keys.add(connection, vault, 8, random=random)
    device_keys.add(connection, vault, 9, random=random)
    assert loaded(connection, vault, 7, 8, 10) == {
        7: DeviceKeys({1: first.secret, 2: second.secret}, unused=frozenset({1, 2})),
        8: DeviceKeys({1: other.secret}, unused=frozenset({1})),
    }
    assert loaded(connection, vault) == {}

    hold(
        connection,
        device_keys.mark_first_use([Signed(7, 1, 1, 1, first_use=True), Signed(7, 1, 1, 2, first_use=True)]),
    )
    marked = "SELECT device_id, number, first_used_at FROM device_key WHERE first_used_at IS NOT NULL"
    once = execute(connection, marked)
    assert [row[:2] for row in once] == [(7, 1)]
    hold(connection, device_keys.mark_first_use([Signed(7, 1, 1, 2, first_use=True)]))
    assert execute(connection, marked) == once
    assert loaded(connection, vault, 7)[7].has_signed

    execute(connection, "UPDATE device_key SET valid_until = now() WHERE device_id = 7 AND number = 1")
    assert loaded(connection, vault, 7)[7] == DeviceKeys({2: second.secret}, unused=frozenset({2}), has_signed=True)
    device_keys.revoke(connection, 7, None)
    assert loaded(connection, vault, 7)[7] == DeviceKeys({}, unused=frozenset({2}), has_signed=True)


def test_a_key_that_does_not_open_spoils_no_other(connection: Connection, vault: Vault) -> None:
    random = Counter()
    device_keys.add(connection, vault, 7, random=random)
    other = device_keys.add(connection, vault, 8, random=random)
    # another device's secret in this row: what somebody who can write the database but has no master key would do
    execute(
        connection,
        "UPDATE device_key SET secret = (SELECT secret FROM device_key WHERE device_id = 8) WHERE device_id = 7",
    )
    devices = hold(connection, device_keys.load(vault, [7, 8]))
    assert devices[7].keys == DeviceKeys({}, unused=frozenset({1}), unreadable=frozenset({1}))
    assert [str(error)[:22] for error in devices[7].errors] == ["key 7.1 does not open "]
    assert devices[8].keys == DeviceKeys({1: other.secret}, unused=frozenset({1}))
    assert devices[8].errors == ()


class Clock:
    """Seconds, as a test sets them."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Asking:
    """Asks a key ring, and counts the statements that it takes."""

    def __init__(self, connection: Connection, ring: KeyRing) -> None:
        self.connection, self.ring, self.count = connection, ring, 0

    def __call__(self, *ids: int) -> dict[int, DeviceKeys]:
        dialogue = self.ring.keys_of(ids)
        self.count = 0

        def counted() -> Dialogue[dict[int, DeviceKeys]]:
            try:
                step = next(dialogue)
                while True:
                    self.count += 1
                    step = dialogue.send((yield step))
            except StopIteration as end:
                return dict(end.value)

        return hold(self.connection, counted())


def test_a_key_ring_that_forgets_knows_every_change(connection: Connection, vault: Vault) -> None:
    random = Counter()
    ring = KeyRing(vault, monotonic_s=Clock())
    ask = Asking(connection, ring)
    versions: list[int] = []

    def kept(*ids: int) -> list[set[int]]:
        ring.forget()
        found = [set(keys.secrets) for keys in ask(*ids).values()]
        versions.append(ring.version)
        return found

    assert kept(7, 8) == [set(), set()]
    device_keys.add(connection, vault, 7, random=random)
    assert kept(7, 8) == [{1}, set()]
    device_keys.rotate(connection, vault, 7, grace_s=3600, random=random)
    assert kept(7) == [{1, 2}]
    hold(connection, device_keys.mark_first_use([Signed(7, 2, 1, 1, first_use=True)]))
    assert kept(7) == [{1, 2}]
    assert ask(7)[7].unused == {1}
    device_keys.revoke(connection, 7, 2)
    assert kept(7) == [{1}]
    # by hand, too
    execute(connection, "UPDATE device_key SET revoked_at = now()")
    assert kept(7) == [set()]
    assert ask(7)[7].has_signed
    execute(connection, "DELETE FROM device_key")
    assert kept(7) == [set()]
    assert not ask(7)[7].has_signed
    assert len(set(versions)) == len(versions), "a change that changes no version would go unnoticed"


def test_a_key_ring_looks_at_the_keys_once(connection: Connection, vault: Vault) -> None:
    device_keys.add(connection, vault, 7, random=Counter())
    ask = Asking(connection, KeyRing(vault, monotonic_s=Clock(), kept=4))

    def statements(*ids: int) -> int:
        assert list(ask(*ids)) == list(ids)
        return ask.count

    assert statements(7, 8) == 2
    assert statements(7, 8) == 0  # a device without keys is kept as one
    assert statements(7, 9) == 1
    assert statements(8, 9) == 2  # all were forgotten for want of room
    assert statements(8, 9) == 0


def test_a_grace_period_ends_without_a_change(connection: Connection, vault: Vault) -> None:
    random, clock = Counter(), Clock()
    device_keys.add(connection, vault, 7, random=random)
    device_keys.rotate(connection, vault, 7, grace_s=3600, random=random)
    ask = Asking(connection, KeyRing(vault, monotonic_s=clock))
    ask(7)
    for later_s, statements in ((3590.0, 0), (3601.0, 1)):
        clock.now_s = 1000.0 + later_s
        ask(7)
        assert ask.count == statements


def test_the_key_version_is_missed_when_it_is_gone(connection: Connection, vault: Vault) -> None:
    execute(connection, "DELETE FROM device_key_version")
    with pytest.raises(StoreError, match="device_key_version has no row"):
        hold(connection, KeyRing(vault, monotonic_s=Clock()).keys_of([7]))


def test_a_master_key_is_checked_before_a_board_meets_it(connection: Connection, vault: Vault) -> None:
    assert device_keys.check(connection, vault) == 0
    device_keys.add(connection, vault, 7, random=Counter())
    assert device_keys.check(connection, vault) == 1
    other = Vault([bytes(31) + b"1"])
    with pytest.raises(VaultError, match=r"key 7\.1 does not open"):
        device_keys.check(connection, other)
    device_keys.revoke(connection, 7, None)
    assert device_keys.check(connection, other) == 0
