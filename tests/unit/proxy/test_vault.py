"""Device keys at rest: only the right master key opens them, in the right row, unchanged."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.errors import VaultError
from plantkeeper_proxy.vault import FILE_VARIABLE, NONCE_BYTES, VARIABLE, Vault, master_keys

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
SECRET = b"s" * 32
keys_of_32 = st.binary(min_size=32, max_size=32)
ids = st.integers(1, 2**31 - 1)


def nonces(value: int = 1) -> Callable[[int], bytes]:
    return lambda count: value.to_bytes(count, "big")


def base64_of(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


def test_what_lies_in_the_database_to_the_byte() -> None:
    """Any AES-256-GCM opens it; the test vector of NIST's GCM specification (case 14) holds the library."""
    sealed = Vault([NEW, OLD]).seal(7, 2, SECRET, random=nonces())
    assert len(sealed) == 12 + 32 + 16
    assert sealed[:12] == bytes(11) + b"\x01"
    assert AESGCM(NEW).decrypt(sealed[:12], sealed[12:], b"plantkeeper device key 7.2") == SECRET
    assert AESGCM(bytes(32)).encrypt(bytes(12), bytes(16), None).hex() == (
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )


@given(keys_of_32, ids, ids, keys_of_32, st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_what_is_sealed_opens(master: bytes, device_id: int, number: int, secret: bytes, nonce: bytes) -> None:
    vault = Vault([master])
    sealed = vault.seal(device_id, number, secret, random=lambda _: nonce)
    assert vault.open(device_id, number, sealed) == secret
    assert vault.open(device_id, number, sealed) == secret  # as kept
    assert secret not in sealed


def test_not_a_bit_may_change() -> None:
    vault = Vault([OLD])
    sealed = vault.seal(7, 2, SECRET, random=nonces())
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultError):
            vault.open(7, 2, bytes(changed))


@pytest.mark.parametrize("sealed", [b"", bytes(11), bytes(12), bytes(27), bytes(60)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(VaultError, match=r"key 7\.2 does not open"):
        Vault([OLD]).open(7, 2, sealed)


@pytest.mark.parametrize(("device_id", "number"), [(8, 2), (7, 3), (72, 2), (2, 7)])
def test_it_opens_in_its_own_row_only_even_when_kept(device_id: int, number: int) -> None:
    vault = Vault([OLD])
    sealed = vault.seal(7, 2, SECRET, random=nonces())
    assert vault.open(7, 2, sealed) == SECRET
    with pytest.raises(VaultError, match=f"key {device_id}.{number} does not open with any of the 1 master keys"):
        vault.open(device_id, number, sealed)


def test_the_first_master_key_seals_and_all_open() -> None:
    before = Vault([OLD]).seal(7, 1, SECRET, random=nonces())
    both = Vault([NEW, OLD])
    after = both.seal(7, 1, SECRET, random=nonces(2))
    assert both.open(7, 1, before) == both.open(7, 1, after) == Vault([NEW]).open(7, 1, after) == SECRET
    assert (both.is_sealed_with_first(7, 1, before), both.is_sealed_with_first(7, 1, after)) == (False, True)
    with pytest.raises(VaultError, match="is PLANTKEEPER_MASTER_KEY the one that it was made with"):
        Vault([NEW]).open(7, 1, before)


def test_a_vault_takes_keys_of_256_bits_only() -> None:
    for keys in ([b""], [bytes(16)], [OLD, bytes(24)]):
        with pytest.raises(VaultError, match="32 bytes each"):
            Vault(keys)


def test_a_vault_without_keys_opens_nothing_and_says_why() -> None:
    sealed = Vault([OLD]).seal(7, 1, bytes(32), random=bytes)
    with pytest.raises(VaultError, match=r"key 7\.1 cannot be used: PLANTKEEPER_MASTER_KEY is not set"):
        Vault.without_keys().open(7, 1, sealed)


@pytest.mark.parametrize("between", [",", ", ", "\n", "\r\n", " \n ,"])
def test_master_keys_from_the_environment_and_from_a_file(tmp_path: Path, between: str) -> None:
    text = base64_of(NEW) + between + base64_of(OLD) + "\n"
    path = tmp_path / "master.key"
    path.write_text(text)
    assert master_keys({VARIABLE: text}) == [NEW, OLD]
    assert master_keys({FILE_VARIABLE: str(path)}) == [NEW, OLD]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "neither PLANTKEEPER_MASTER_KEY nor PLANTKEEPER_MASTER_KEY_FILE is set"),
        ("", "neither PLANTKEEPER_MASTER_KEY nor"),
        (",", "PLANTKEEPER_MASTER_KEY is empty"),
        ("geheim!", "PLANTKEEPER_MASTER_KEY: key 1 is not base64"),
        (base64_of(OLD) + ",geheimé", "PLANTKEEPER_MASTER_KEY: key 2 is not base64"),
        (base64_of(bytes(16)), "PLANTKEEPER_MASTER_KEY: key 1 has 16 bytes"),
        (base64_of(OLD, b"geheim" * 6), "PLANTKEEPER_MASTER_KEY: key 2 has 36 bytes"),
    ],
)
def test_a_master_key_that_makes_no_sense_is_named_and_not_shown(value: str | None, said: str) -> None:
    with pytest.raises(VaultError) as error:
        master_keys({} if value is None else {VARIABLE: value})
    assert said in str(error.value)
    assert "openssl rand -base64 32" in str(error.value)
    for secret in ("geheim", base64_of(OLD), base64_of(bytes(16))):
        assert secret not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        VaultError, match=r"PLANTKEEPER_MASTER_KEY_FILE is '.*none', which cannot be read: No such file"
    ):
        master_keys({FILE_VARIABLE: str(tmp_path / "none")})
    binary = tmp_path / "binary"
    binary.write_bytes(OLD + b"\xff")
    with pytest.raises(VaultError, match="cannot be read: it is not ASCII"):
        master_keys({FILE_VARIABLE: str(binary)})
    (tmp_path / "empty").touch()
    with pytest.raises(VaultError, match=r"empty' is empty; expected 32 bytes"):
        master_keys({FILE_VARIABLE: str(tmp_path / "empty")})
    with pytest.raises(VaultError, match="are both set; expected one of them"):
        master_keys({FILE_VARIABLE: str(binary), VARIABLE: base64_of(OLD)})
