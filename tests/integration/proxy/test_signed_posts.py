"""Signed posts through the real gateway: the golden message, forgeries, replays, revocation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
import sql

from plantkeeper_hil.stack.clients import DatabaseClient
from plantkeeper_proxy.vault import Vault

pytestmark = pytest.mark.integration
MASTER = bytes(range(32, 64))
GOLDEN_SECRET = bytes(range(32))  # tests/contract/README.md
SETTINGS = {"PLANTKEEPER_SIGNATURES": "required", "PLANTKEEPER_MASTER_KEY": b64encode(MASTER).decode()}


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> bytes:
    return (pytestconfig.rootpath / "tests" / "contract" / "signed_post.http").read_bytes()


@pytest.fixture
def key(database_dsn: str) -> None:
    """Device 7's first key, which signed the golden message."""
    sealed = Vault([MASTER]).seal(7, 1, GOLDEN_SECRET, random=os.urandom)
    sql.execute(database_dsn, "INSERT INTO device_key (device_id, number, secret) VALUES (7, 1, %s)", sealed)


@pytest.fixture
def post(start_gateway: Callable[..., str], database_dsn: str, key: None) -> Callable[[bytes], bytes]:
    host, port = start_gateway(database_dsn, **SETTINGS).removeprefix("http://").split(":")

    def send(request: bytes) -> bytes:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(4096), b""))

    return send


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_the_golden_message_is_stored_once_however_often_it_comes(
    post: Callable[[bytes], bytes], golden: bytes, database: DatabaseClient
) -> None:
    assert [status(post(golden)) for _ in range(3)] == [200, 200, 200]
    [row] = database.readings()
    assert (row["device_id"], row["idempotency_key"], row["light"]) == (7, "3-42", 900.0)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b'"light":900', b'"light":901', 401),  # the digest is another
        (b'"3-42"', b'"3-43"', 401),
        (b'keyid="7.1"', b'keyid="7.2"', 401),
        (b'keyid="7.1"', b'keyid="8.1"', 401),
        (b"N9LRAi", b"N9LRAj", 401),
        (b"Signature: ", b"X-Signature: ", 401),
    ],
)
def test_what_was_changed_on_the_way_is_refused(
    old: bytes, new: bytes, expected: int, post: Callable[[bytes], bytes], golden: bytes, database: DatabaseClient
) -> None:
    assert golden.count(old) >= 1
    assert status(post(golden.replace(old, new, 1))) == expected
    assert database.readings() == []


def test_unsigned_is_refused_where_signatures_are_required(
    post: Callable[[bytes], bytes], pytestconfig: pytest.Config, database: DatabaseClient
) -> None:
    unsigned = (pytestconfig.rootpath / "tests" / "contract" / "board_post.http").read_bytes()
    assert status(post(unsigned)) == 401
    assert database.readings() == []


def test_a_revoked_key_is_refused_at_once(
    post: Callable[[bytes], bytes], golden: bytes, database: DatabaseClient, database_dsn: str
) -> None:
    assert status(post(golden)) == 200
    done = subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", "device", "revoke", "7"],
        env={"PLANTKEEPER_DATABASE_DSN": database_dsn, **SETTINGS},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "key 7.1 is revoked\n"
    assert status(post(golden)) == 401
    assert len(database.readings()) == 1


def test_a_gateway_that_could_check_no_signature_does_not_start(database_dsn: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", "serve"],
        env={"PLANTKEEPER_DATABASE_DSN": database_dsn},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "PLANTKEEPER_MASTER_KEY is not set, without which no signature can be checked" in done.stderr
