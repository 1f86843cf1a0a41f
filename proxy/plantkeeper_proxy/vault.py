"""Device keys as they lie in the database: AES-256-GCM (NIST SP 800-38D) under a master key from the environment. Pure.

A sealed key is bound to its device and number: copied to another row, it does not open.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from plantkeeper_proxy.errors import VaultError

VARIABLE = "PLANTKEEPER_MASTER_KEY"
FILE_VARIABLE = "PLANTKEEPER_MASTER_KEY_FILE"
KEY_BYTES = 32
NONCE_BYTES = 12  # section 8.2: what GCM is made for
KEPT = 10_000  # opened keys kept in memory, about 300 bytes each
_EXPECTED = f"expected {KEY_BYTES} bytes in base64, such as `openssl rand -base64 {KEY_BYTES}` prints"


class Vault:
    """Seals and opens device keys.

    Args:
        master_keys: of 32 bytes each; the first seals, all open.
    """

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if any(len(key) != KEY_BYTES for key in master_keys):
            raise VaultError(f"a vault needs master keys of {KEY_BYTES} bytes each")
        self._ciphers = [AESGCM(key) for key in master_keys]
        self._opened = lru_cache(KEPT)(self._open)

    @classmethod
    def without_keys(cls) -> Vault:
        """A vault that opens nothing, for a gateway that asks for no signatures."""
        return cls([])

    def seal(self, device_id: int, number: int, secret: bytes, *, random: Callable[[int], bytes]) -> bytes:
        """A device key as nonce and ciphertext.

        Args:
            random: gives so many unpredictable bytes, such as `secrets.token_bytes`; a nonce must never repeat.
        """
        nonce = random(NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret, _bound_to(device_id, number))

    def open(self, device_id: int, number: int, sealed: bytes) -> bytes:
        """The device key in a nonce and ciphertext; kept in memory, so that a second time costs nothing.

        Raises:
            VaultError: no master key opens it, or it was changed or belongs to another row.
        """
        return self._opened(device_id, number, sealed)

    def is_sealed_with_first(self, device_id: int, number: int, sealed: bytes) -> bool:
        """Whether the other master keys are not needed for this one."""
        return _decrypt(self._ciphers[0], device_id, number, sealed) is not None

    def _open(self, device_id: int, number: int, sealed: bytes) -> bytes:
        if not self._ciphers:
            raise VaultError(f"key {device_id}.{number} cannot be used: {VARIABLE} is not set; {_EXPECTED}")
        for cipher in self._ciphers:
            secret = _decrypt(cipher, device_id, number, sealed)
            if secret is not None:
                return secret
        raise VaultError(
            f"key {device_id}.{number} does not open with any of the {len(self._ciphers)} master keys; "
            f"is {VARIABLE} the one that it was made with? after a change, the old one has to stay, behind the new"
        )


def master_keys(environment: Mapping[str, str]) -> list[bytes]:
    """The master keys from the environment, or from the file that it names.

    Raises:
        VaultError: there is none, it is named twice, or it is not what was expected; never shows it.
    """
    value, path = environment.get(VARIABLE, "").strip(), environment.get(FILE_VARIABLE, "").strip()
    if value and path:
        raise VaultError(f"{VARIABLE} and {FILE_VARIABLE} are both set; expected one of them")
    if not (value or path):
        raise VaultError(f"neither {VARIABLE} nor {FILE_VARIABLE} is set; {_EXPECTED}")
    name = VARIABLE if value else f"{FILE_VARIABLE} {path!r}"
    texts = [text for text in re.split(r"[,\s]+", value or _read(path)) if text]
    if not texts:
        raise VaultError(f"{name} is empty; {_EXPECTED}")
    return [_decode(name, position, text) for position, text in enumerate(texts, 1)]


def _bound_to(device_id: int, number: int) -> bytes:
    return b"plantkeeper device key %d.%d" % (device_id, number)


def _decrypt(cipher: AESGCM, device_id: int, number: int, sealed: bytes) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(device_id, number))
    except (InvalidTag, ValueError):  # ValueError: too short for a nonce
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise VaultError(f"{FILE_VARIABLE} is {path!r}, which cannot be read: {reason}") from None


def _decode(name: str, position: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise VaultError(f"{name}: key {position} is not base64; {_EXPECTED}") from None
    if len(key) != KEY_BYTES:
        raise VaultError(f"{name}: key {position} has {len(key)} bytes; {_EXPECTED}")
    return key
