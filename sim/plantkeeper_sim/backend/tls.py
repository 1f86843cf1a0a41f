"""A private certificate authority and a server certificate for loopback, made by trustme."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from plantkeeper_sim.errors import BackendError

CA, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
NAMES = ("localhost", "127.0.0.1", "::1")


def issue(folder: Path) -> None:
    """Write `ca.pem`, `server.pem` and `server.key`, good for `NAMES`; the key is for its owner alone to read."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert(*NAMES)
    authority.cert_pem.write_to_path(folder / CA)
    key = folder / KEY
    key.touch(mode=0o600)
    server.private_key_pem.write_to_path(key)
    chain = folder / CERTIFICATE
    chain.unlink(missing_ok=True)
    for pem in server.cert_chain_pems:
        pem.write_to_path(chain, append=True)


def is_issued(folder: Path) -> bool:
    """Whether all three files are there."""
    return all((folder / name).is_file() for name in (CA, CERTIFICATE, KEY))


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS 1.2 or later with the certificate of a folder.

    Raises:
        BackendError: the files are missing or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except (OSError, ssl.SSLError) as error:
        raise BackendError(
            f"{folder}: no usable {CERTIFICATE} and {KEY} ({error}); delete them and start again to have new ones"
        ) from error
    return context
