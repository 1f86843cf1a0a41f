"""The golden messages, byte by byte, at the composed gateway: answered, stored, and carried to the mock backend."""

from __future__ import annotations

import os
import socket
from base64 import b64decode
from typing import Any

import psycopg2
import pytest

from plantkeeper_hil.faults.world import wait_for
from plantkeeper_hil.stack.compose import ComposeStack
from plantkeeper_proxy.vault import Vault

DEVICE = 7  # of all golden messages
SECRET = bytes(range(32))  # tests/contract/README.md


def post(composed: ComposeStack, request: bytes) -> tuple[bytes, bytes]:
    """Status line and body of the answer."""
    with socket.create_connection(("127.0.0.1", composed.gateway_port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % len(body) in head
    return head.split(b"\r\n", 1)[0], body


@pytest.fixture
def golden(composed: ComposeStack, pytestconfig: pytest.Config) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (pytestconfig.rootpath / "tests/contract").glob("*.http")}


@pytest.fixture
def key(composed: ComposeStack) -> None:
    """Device 7's first key, sealed by the stack's master key."""
    master = b64decode((composed.secrets / "master_key").read_text())
    sealed = Vault([master]).seal(DEVICE, 1, SECRET, random=os.urandom)
    connection = psycopg2.connect(composed.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO device_key (device_id, number, secret) VALUES (%s, 1, %s)", (DEVICE, sealed))
    connection.close()


def test_they_are_taken_and_delivered(composed: ComposeStack, golden: dict[str, bytes], key: None) -> None:
    stored = (b"HTTP/1.1 200 OK", b'{"message":"stored"}\n')
    before = composed.database.readings()[-1:]
    after = before[0]["id"] if before else 0
    assert post(composed, golden["field_post"]) == stored  # legacy devices may, as long as they never signed
    tampered = golden["signed_post"].replace(b'"light":900', b'"light":901')
    assert post(composed, tampered)[0].split(b" ")[1] == b"401"
    assert post(composed, golden["signed_post"]) == stored
    assert post(composed, golden["signed_post"]) == stored  # a repeat, stored once
    assert post(composed, golden["board_post"])[0].split(b" ")[1] == b"401"  # from now on it has to sign

    rows = composed.database.readings(after=after)
    assert [(row["idempotency_key"], row["temperature"], row["humidity"], row["light"]) for row in rows] == [
        (None, 22.37000084, 316.0, 1043.75),
        ("3-42", 21.0, 40.0, 900.0),
    ]

    def delivered() -> list[Any]:
        return [entry["body"] for entry in composed.backend.journal() if entry["sensor_id"] == DEVICE]

    wait_for(lambda: len(delivered()) == 2, "delivery of both", timeout_s=30)
    assert delivered() == [
        {"id": 7, "temperature": 22.37000084, "humidity": 100, "light": 1044},
        {"id": 7, "temperature": 21, "humidity": 40, "light": 900},
    ]
