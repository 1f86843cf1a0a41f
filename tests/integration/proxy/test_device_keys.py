"""What a batch of readings is judged with: keys and sequences in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.authenticity import DeviceKeys, Signed
from plantkeeper_proxy.errors import DeviceKeyError, VaultError
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.vault import Vault

pytestmark = pytest.mark.integration
Row = tuple[int, int | None, int | None]


@pytest.fixture
def connection(database_dsn: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(database_dsn)) as opened:
        opened.autocommit = True
        yield opened


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault([bytes(32)])


class Counter:
    """Bytes that never repeat, and are the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")


def loaded(connection: Connection, vault: Vault, *ids: int) -> dict[int, DeviceKeys]:
    devices = device_keys.load(connection, vault, ids)
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

    device_keys.mark_first_use(connection, [Signed(7, 1, 1, 1, first_use=True), Signed(8, 1, 1, 1, first_use=False)])
    marked = "SELECT device_id, number, first_used_at FROM device_key WHERE first_used_at IS NOT NULL"
    once = execute(connection, marked)
    assert [row[:2] for row in once] == [(7, 1)]
    device_keys.mark_first_use(connection, [Signed(7, 1, 1, 2, first_use=True)])
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
    devices = device_keys.load(connection, vault, [7, 8])
    assert devices[7].keys == DeviceKeys({}, unused=frozenset({1}), unreadable=frozenset({1}))
    assert [str(error)[:22] for error in devices[7].errors] == ["key 7.1 does not open "]
    assert devices[8].keys == DeviceKeys({1: other.secret}, unused=frozenset({1}))
    assert devices[8].errors == ()


class Clock:
    """Seconds, as a test sets them."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Counting:
    """Counts a connection's statements, and otherwise is it."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.count = connection, 0

    def cursor(self) -> object:
        self.count += 1
        return self.connection.cursor()


def test_a_key_ring_knows_every_change_at_once(connection: Connection, vault: Vault) -> None:
    random = Counter()
    ring = KeyRing(vault, monotonic_s=Clock())

    def kept(*ids: int) -> list[set[int]]:
        return [set(keys.secrets) for keys in ring.keys_of(connection, ids).values()]

    assert kept(7, 8) == [set(), set()]
    device_keys.add(connection, vault, 7, random=random)
    assert kept(7, 8) == [{1}, set()]
    device_keys.rotate(connection, vault, 7, grace_s=3600, random=random)
    assert kept(7) == [{1, 2}]
    device_keys.mark_first_use(connection, [Signed(7, 2, 1, 1, first_use=True)])
    assert ring.keys_of(connection, [7])[7].unused == {1}
    device_keys.revoke(connection, 7, 2)
    assert kept(7) == [{1}]
    # by hand, too
    execute(connection, "UPDATE device_key SET revoked_at = now()")
    assert kept(7) == [set()]
    assert ring.keys_of(connection, [7])[7].has_signed
    execute(connection, "DELETE FROM device_key")
    assert not ring.keys_of(connection, [7])[7].has_signed


def test_a_key_ring_looks_at_the_keys_once(connection: Connection, vault: Vault) -> None:
    device_keys.add(connection, vault, 7, random=Counter())
    ring, counting = KeyRing(vault, monotonic_s=Clock(), kept=4), Counting(connection)

    def statements(*ids: int) -> int:
        counting.count = 0
        assert list(ring.keys_of(counting, ids)) == list(ids)  # type: ignore[arg-type] # it stands for a connection
        return counting.count

    assert statements() == 0
    assert statements(7, 8) == 2
    assert statements(7, 8) == 1  # a device without keys is kept as one
    assert statements(7, 9) == 2
    assert statements(8, 9) == 2  # all were forgotten for want of room
    assert statements(8, 9) == 1


def test_a_grace_period_ends_without_a_change(connection: Connection, vault: Vault) -> None:
    random, clock = Counter(), Clock()
    device_keys.add(connection, vault, 7, random=random)
    device_keys.rotate(connection, vault, 7, grace_s=3600, random=random)
    ring, counting = KeyRing(vault, monotonic_s=clock), Counting(connection)
    ring.keys_of(connection, [7])
    for later_s, statements in ((3590.0, 1), (3601.0, 2)):
        counting.count, clock.now_s = 0, 1000.0 + later_s
        ring.keys_of(counting, [7])  # type: ignore[arg-type] # it stands for a connection
        assert counting.count == statements


def test_the_key_version_is_missed_when_it_is_gone(connection: Connection, vault: Vault) -> None:
    execute(connection, "DELETE FROM device_key_version")
    with pytest.raises(DeviceKeyError, match="device_key_version has no row"):
        KeyRing(vault, monotonic_s=Clock()).keys_of(connection, [7])


def test_a_master_key_is_checked_before_a_board_meets_it(connection: Connection, vault: Vault) -> None:
    assert device_keys.check(connection, vault) == 0
    device_keys.add(connection, vault, 7, random=Counter())
    assert device_keys.check(connection, vault) == 1
    other = Vault([bytes(31) + b"1"])
    with pytest.raises(VaultError, match=r"key 7\.1 does not open"):
        device_keys.check(connection, other)
    device_keys.revoke(connection, 7, None)
    assert device_keys.check(connection, other) == 0


def test_a_sequence_only_grows(connection: Connection) -> None:
    def passes(*rows: Row) -> list[bool]:
        return device_keys.raise_sequences(connection, rows)

    assert passes() == []
    assert passes((7, 3, 42)) == [True]
    assert passes((7, 3, 42)) == [False]
    assert passes((7, 3, 41), (7, 2, 100), (8, 1, 1), (7, 3, 43), (7, 3, 43), (7, 4, 1), (7, 3, 44)) == [
        False, False, True, True, False, True, False,
    ]  # fmt: skip
    assert passes((9, None, None), (9, None, None), (7, None, None)) == [True, True, True]
    assert passes((7, 2**32 - 1, 2**32 - 1), (7, None, None), (7, 2**32 - 1, 2**32 - 2)) == [True, True, False]
    assert execute(connection, "SELECT * FROM device_sequence ORDER BY 1") == [(7, 2**32 - 1, 2**32 - 1), (8, 1, 1)]


def test_a_sequence_is_raised_with_the_readings_or_not_at_all(connection: Connection) -> None:
    connection.autocommit = False
    assert device_keys.raise_sequences(connection, [(7, 1, 1)]) == [True]
    connection.rollback()
    assert device_keys.raise_sequences(connection, [(7, 1, 1)]) == [True]


counts = st.integers(1, 3)
batches = st.lists(
    st.lists(
        st.tuples(st.integers(1, 2), counts, counts) | st.tuples(st.integers(1, 2), st.none(), st.none()), max_size=6
    ),
    max_size=4,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(batches)
def test_the_statement_does_what_a_loop_would(connection: Connection, batches: list[list[Row]]) -> None:
    execute(connection, "DELETE FROM device_sequence")
    reached: dict[int, tuple[int, int]] = {}
    for batch in batches:
        expected: list[bool] = []
        for device_id, boot, sequence in batch:
            if boot is None or sequence is None:
                expected.append(True)
                continue
            expected.append((boot, sequence) > reached.get(device_id, (0, 0)))
            reached[device_id] = max(reached.get(device_id, (0, 0)), (boot, sequence))
        assert device_keys.raise_sequences(connection, batch) == expected
    kept = execute(connection, "SELECT device_id, boot, sequence FROM device_sequence ORDER BY 1")
    assert kept == [(device_id, *count) for device_id, count in sorted(reached.items())]
