"""The impostor can tell that it was sent something; a port is ours while nobody listens on it."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plantkeeper_hil.faults.impostor import Impostor
from plantkeeper_hil.faults.port import Port
from plantkeeper_sim.backend import tls

pytestmark = pytest.mark.integration
REQUEST = b"PATCH /api/v1/sensors/1 HTTP/1.1\r\n\r\n"


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    made.close()


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def say(port: Port, context: ssl.SSLContext, host: str = "localhost") -> None:
    with (
        socket.create_connection(port.address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        wrapped.sendall(REQUEST)


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / tls.CA))


def test_who_trusts_it_is_heard_and_who_does_not_sends_nothing(port: Port, tmp_path: Path) -> None:
    tls.issue(tmp_path / "impostor")
    tls.issue(tmp_path / "right")
    impostor = Impostor(port.listener(), tmp_path / "impostor")
    with pytest.raises(ssl.SSLCertVerificationError):
        say(port, trusting(tmp_path / "right"))
    wait_for(lambda: impostor.connections == 1 and impostor.refused == 1)
    assert impostor.received == b""
    say(port, trusting(tmp_path / "impostor"))  # the control: had it been sent something, it would know
    wait_for(lambda: bytes(impostor.received) == REQUEST)
    assert (impostor.connections, impostor.refused) == (2, 1)
    impostor.close()


def test_tls_1_1_is_spoken_to_those_who_take_it_only(port: Port, tmp_path: Path) -> None:
    tls.issue(tmp_path)
    impostor = Impostor(port.listener(), tmp_path, only_tls_1_1=True)
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        say(port, trusting(tmp_path))
    wait_for(lambda: impostor.refused == 1)
    lax = trusting(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("DEFAULT:@SECLEVEL=0")
    say(port, lax)
    wait_for(lambda: bytes(impostor.received) == REQUEST)
    impostor.close()


def test_a_port_refuses_listens_and_refuses_again_under_one_number(port: Port) -> None:
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(port.address, timeout=10)
        assert port.listener().getsockname() == port.address
        socket.create_connection(port.address, timeout=10).close()
        port.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(port.address)
