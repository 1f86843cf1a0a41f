"""The firmware signs with a key that the gateway issued, to a gateway that takes nothing unsigned."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from plantkeeper_hil.firmware import BuildResult
from plantkeeper_hil.run.boards import live_together
from plantkeeper_hil.run.day import wait_delivered
from plantkeeper_hil.run.evidence import gather, judge
from plantkeeper_hil.stack.local import LocalStack, StackOptions
from plantkeeper_hil.stack.service import listening_socket
from plantkeeper_hil.traffic import player
from plantkeeper_hil.traffic.relay import Relay
from plantkeeper_sim.avr import load_elf
from plantkeeper_sim.board import UnoBoard
from plantkeeper_sim.provision import BoardConfig

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SETTINGS = {"PLANTKEEPER_SIGNATURES": "required", "PLANTKEEPER_MASTER_KEY": b64encode(bytes(range(32))).decode()}


@pytest.fixture
def signed_stack(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(StackOptions(log_dir=tmp_path / "logs", devices=2, gateway_settings=SETTINGS)) as running:
        yield running


def device_command(stack: LocalStack, *words: str) -> str:
    """What `plantkeeper-proxy device` says."""
    return subprocess.run(
        [sys.executable, "-m", "plantkeeper_proxy", "device", *words],
        env={**os.environ, **SETTINGS, "PLANTKEEPER_DATABASE_DSN": stack.dsn},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def issue_key(stack: LocalStack, device_id: int) -> BoardConfig:
    """The configuration of a board with a key as an operator gets it."""
    key_id, key = device_command(stack, "add", str(device_id)).split()[-2:]
    return BoardConfig(device_id, key_number=int(key_id.partition(".")[2]), key=bytes.fromhex(key))


def test_signed_readings_arrive_and_others_are_kept_on_their_board(
    signed_stack: LocalStack, firmware: BuildResult
) -> None:
    good = issue_key(signed_stack, 1)
    stranger = BoardConfig(2, key_number=1, key=good.key)  # has a key, but not one that is device 2's
    image = load_elf(firmware.elf)
    boards = [UnoBoard(image, config, seed=4) for config in (good, stranger)]
    for board in boards:
        board.network.map("192.0.2.10", 8080, to=("127.0.0.1", signed_stack.gateway_port))
    live_together(boards, 2 * 3600, progress=lambda _s: None)
    wait_delivered(signed_stack)
    evidence = gather(boards[:1], signed_stack.database.readings(), signed_stack.backend.journal())
    verdict = judge(evidence)
    assert (verdict.taken, verdict.stored, verdict.delivered, verdict.findings) == (24, 24, 24, ())
    assert {post.status for post in evidence.posts} == {200}
    assert {event.fields["status"] for event in boards[1].events_named("undelivered")} == {"401"}
    assert boards[1].events_named("delivered") == []


def test_a_recorded_signed_post_is_a_repeat_where_its_key_is_known_and_refused_elsewhere(
    signed_stack: LocalStack, firmware: BuildResult
) -> None:
    gateway = ("127.0.0.1", signed_stack.gateway_port)
    board = UnoBoard(load_elf(firmware.elf), issue_key(signed_stack, 1), seed=4)
    with Relay(listening_socket(), to=gateway) as relay:
        board.network.map("192.0.2.10", 8080, to=relay.address)
        board.run_for(10)
        board.close()
        assert relay.settle(10)
        [connection] = relay.connections()
    assert b"\r\nSignature: " in connection.sent
    stored = signed_stack.database.readings()
    assert len(stored) == 1
    assert player.difference(connection, player.play(connection, gateway)) is None
    assert signed_stack.database.readings() == stored
    device_command(signed_stack, "revoke", "1")
    refused = player.difference(connection, player.play(connection, gateway))
    assert refused == "answer: 'HTTP/1.1 401 Unauthorized', on the cassette 'HTTP/1.1 200 OK'"
