"""A private certificate authority and a server certificate for loopback, made by trustme."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import trustme

from plantkeeper_sim.errors import BackendError

CA, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
NAMES = ("localhost", "127.0.0.1", "::1")


def issue(
    folder: Path,
    *,
    authority: trustme.CA | None = None,
    names: Sequence[str] = NAMES,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> trustme.CA:
    """Write `ca.pem`, `server.pem` and `server.key`; the key is for its owner alone to read.

    Args:
        authority: who signs; None makes a new authority.
        names: host names and addresses that the certificate is good for.
        not_before, not_after: when it is; None leaves that to trustme (for decades).

    Returns:
        The authority, for further certificates of its.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or trustme.CA()
    server = authority.issue_cert(*names, not_before=not_before, not_after=not_after)
    authority.cert_pem.write_to_path(folder / CA)
    key = folder / KEY
    key.touch(mode=0o600)
    server.private_key_pem.write_to_path(key)
    chain = folder / CERTIFICATE
    chain.unlink(missing_ok=True)
    for pem in server.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    return authority


def is_issued(folder: Path) -> bool:
    """Whether all three files are there."""
    return all((folder / name).is_file() for name in (CA, CERTIFICATE, KEY))


def server_context(folder: Path, *, only_tls_1_1: bool = False) -> ssl.SSLContext:
    """TLS 1.2 or later with the certificate of a folder.

    Args:
        only_tls_1_1: TLS 1.1 and nothing else, which a gateway must refuse.

    Raises:
        BackendError: the files are missing or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if only_tls_1_1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is outdated is the point
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 lets SHA-1 signatures, and so TLS 1.1, at level 0 only
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except (OSError, ssl.SSLError) as error:
        raise BackendError(
            f"{folder}: no usable {CERTIFICATE} and {KEY} ({error}); delete them and start again to have new ones"
        ) from error
    return context
