"""The firmware's SHA-256, HMAC and base64, under sanitizers, against published vectors and Python's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        # FIPS 180-4's examples (NIST, Cryptographic Standards and Guidelines: SHA256.pdf)
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)  # fmt: skip
def test_published_digests(ask: Ask, text: bytes, digest: str) -> None:
    assert ask(f"sha256 {text.hex()}") == digest


@given(st.lists(st.binary(max_size=150), max_size=4))
def test_any_bytes_in_any_portions(ask: Ask, pieces: list[bytes]) -> None:
    words = " ".join(piece.hex() for piece in pieces if piece)
    assert ask(f"sha256 {words}") == hashlib.sha256(b"".join(pieces)).hexdigest()


@pytest.mark.parametrize("length", [55, 56, 63, 64, 65, 119, 120, 8191, 65500])
def test_lengths_where_padding_and_counting_change(ask: Ask, length: int) -> None:
    assert ask(f"sha256 {'a5' * length}") == hashlib.sha256(b"\xa5" * length).hexdigest()


@pytest.mark.parametrize(
    ("key", "data", "code"),
    [
        # RFC 4231 sections 4.2 to 4.5; its later keys are longer than a block, and a board's are 32 bytes
        ("0b" * 20, b"Hi There".hex(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe".hex(), b"what do ya want for nothing?".hex(),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("aa" * 20, "dd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (bytes(range(1, 26)).hex(), "cd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    ],
)  # fmt: skip
def test_rfc_4231(ask: Ask, key: str, data: str, code: str) -> None:
    assert ask(f"hmac {key} {data}") == code


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=300))
def test_any_key_and_data(ask: Ask, key: bytes, data: bytes) -> None:
    assert ask(f"hmac {key.hex()} {data.hex()}") == hmac.digest(key, data, "sha256").hex()


@given(st.binary(max_size=255))
def test_base64(ask: Ask, data: bytes) -> None:
    assert ask(f"base64 {data.hex()}") == base64.b64encode(data).decode()
