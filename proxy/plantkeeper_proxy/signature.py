"""HTTP Message Signatures (RFC 9421) with hmac-sha256, in the one profile that boards use. Pure.

The profile: one signature, covering at least `@method`, `@path`, `content-digest` and `idempotency-key`, with `keyid`
and nothing else but `alg` and `created`. http-sf parses `Signature-Input`; `Content-Digest` and `Signature` are
compared whole with the only text that is right, so that nothing in them is left to interpretation
(docs/decisions/0008-signatures.md).
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plantkeeper_proxy.errors import SignatureError
from plantkeeper_proxy.signature_input import REQUIRED, SignatureInput, parse_signature_input, show


@dataclass(frozen=True, slots=True)
class Unverified:
    """A request whose form and body are right; whether its signature is, only the key can tell.

    Args:
        key_id: which key is said to have signed.
        label: of the signature, not covered by it.
        base: what was signed (RFC 9421 section 2.5).
        signature: the `Signature` field as received.
    """

    key_id: str
    label: str
    base: bytes
    signature: bytes

    def is_signed_with(self, secret: bytes) -> bool:
        """Whether this key made the signature; takes the same time whatever the signature is."""
        expected = b"%b=:%b:" % (self.label.encode("ascii"), _base64(hmac.digest(secret, self.base, "sha256")))
        return hmac.compare_digest(expected, self.signature)


def prepare(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Unverified:
    """Check all that needs no key: the form, the covered components, the body's digest.

    Args:
        path: of the request target, without the query.
        headers: names in lower case; values of a repeated name joined by ", ".

    Raises:
        SignatureError: the request is not signed as the profile asks; says what is wrong.
    """
    parsed = parse_signature_input(_field(headers, "signature-input"))
    signature = _field(headers, "signature")
    _check_digest(_field(headers, "content-digest"), body)
    base = signature_base(_components(parsed.components, method, path, headers), parsed.text)
    return Unverified(parsed.key_id, parsed.label, base, _ascii("signature", signature))


def verify(method: str, path: str, headers: Mapping[str, str], body: bytes, secret: bytes) -> SignatureInput:
    """Verify a request with the key that its keyid names; returns what was signed.

    Raises:
        SignatureError: it is not signed as the profile asks, or not with this key.
    """
    if not prepare(method, path, headers, body).is_signed_with(secret):
        raise SignatureError("the signature is not this key's over this request")
    return parse_signature_input(_field(headers, "signature-input"))


def sign(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key_id: str,
    secret: bytes,
    label: str = "sig1",
    components: Sequence[str] = REQUIRED,
    parameters: str = "",
) -> dict[str, str]:
    """The three header fields, names in lower case, that sign a request. For tests and tools.

    Args:
        headers: as for `prepare`, with `idempotency-key`.
        parameters: more signature parameters as text, such as `;alg="hmac-sha256"`.
    """
    digest = {"content-digest": content_digest(body)}
    names = " ".join(f'"{name}"' for name in components)
    text = f'({names});keyid="{key_id}"{parameters}'
    base = signature_base(_components(components, method, path, {**headers, **digest}), text)
    signature = _base64(hmac.digest(secret, base, "sha256")).decode()
    return {**digest, "signature-input": f"{label}={text}", "signature": f"{label}=:{signature}:"}


def content_digest(body: bytes) -> str:
    """The `Content-Digest` of a body (RFC 9530 section 2), sha-256 only."""
    return f"sha-256=:{_base64(hashlib.sha256(body).digest()).decode()}:"


def signature_base(components: Sequence[tuple[str, str]], parameters: str) -> bytes:
    """What is signed (RFC 9421 section 2.5).

    Args:
        components: names and values of the covered components, in order.
        parameters: the value of `@signature-params`.

    Raises:
        SignatureError: a value is not ASCII, or holds a line's end.
    """
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {parameters}')
    text = "\n".join(lines)
    if text.count("\n") != len(components) or "\r" in text:
        raise SignatureError("a covered component holds a line's end")
    return _ascii("a covered component", text)


def _components(names: Sequence[str], method: str, path: str, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    derived = {"@method": method, "@path": path or "/"}
    return [(name, derived[name] if name in derived else _field(headers, name)) for name in names]


def _field(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise SignatureError(f"{name} is missing; a signed request needs it")
    return value.strip(" \t")  # RFC 9421 section 2.1, step 3


def _check_digest(received: str, body: bytes) -> None:
    # the digest is no secret: whoever sends a body knows it
    if received != content_digest(body):
        raise SignatureError(
            f"content-digest is {show(received)}; expected sha-256=:…: of the body's {len(body)} bytes and nothing else"
        )


def _ascii(name: str, text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise SignatureError(f"{name} is not ASCII") from error


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)
