"""`compose/new-secrets`: everything is made once, at random, and nothing is ever overwritten."""

from __future__ import annotations

import ssl
import stat
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "compose" / "new-secrets"
NAMES = {
    *("postgres_password", "owner_dsn", "gateway_dsn", "master_key", "status_token"),
    *("mock_ca.pem", "mock_server.pem", "mock_server.key"),
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    run(tmp_path / "secrets")
    return tmp_path / "secrets"


def run(folder: Path) -> str:
    return subprocess.run([SCRIPT, folder], capture_output=True, text=True, check=True).stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_is_a_file_that_its_services_can_read_in_a_folder_that_nobody_else_can_enter(made: Path) -> None:
    assert set(contents(made)) >= NAMES
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o444}


def test_they_are_what_the_services_take(made: Path) -> None:
    found = {name: text.decode().strip() for name, text in contents(made).items()}
    assert found["gateway_dsn"].startswith("postgresql://plantkeeper_gateway:")
    assert found["owner_dsn"].startswith("postgresql://plantkeeper_owner:")
    assert len(b64decode(found["master_key"], validate=True)) == 32
    assert len(found["status_token"]) >= 16


def test_no_two_are_alike(made: Path, tmp_path: Path) -> None:
    run(tmp_path / "others")
    first, second = contents(made), contents(tmp_path / "others")
    assert not {name for name in first if first[name] == second[name]}
    assert len(set(first.values())) == len(first)


def test_what_is_there_stays(made: Path) -> None:
    before = contents(made)
    (made / "master_key").unlink()
    (made / "mock_server.key").unlink()  # key and certificate are made together or not at all
    said = run(made)
    after = contents(made)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"master_key", "mock_ca.pem", "mock_server.pem", "mock_server.key"}
    assert f"kept {made}/gateway_dsn\n" in said


def test_the_mock_backends_certificate_is_signed_by_its_authority_for_its_names(made: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / "mock_server.pem", made / "mock_server.key")
    for name, good in [("mock-backend", True), ("localhost", True), ("elsewhere.example", False)]:
        trusting = ssl.create_default_context(cafile=str(made / "mock_ca.pem"))
        assert shake_hands(server, trusting, name) is good


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    """Whether a client accepts the server under a name; both in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return sides[1].version() is not None
