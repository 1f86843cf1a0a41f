"""The `Signature-Input` field of RFC 9421 section 4.1, as far as the profile of `signature.py` goes. Pure.

A board sends the same one with every reading, so the last few thousand are kept parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import http_sf

from plantkeeper_proxy.errors import SignatureError

LENGTH_LIMIT = 512  # characters, of which a board uses about 80
KEPT = 4096
REQUIRED = ("@method", "@path", "content-digest", "idempotency-key")
DERIVED = frozenset({"@method", "@path"})
ALGORITHM = "hmac-sha256"
SHOWN = 80
# RFC 9110 section 5.1, in lower case as RFC 9421 section 2.1 asks
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# they hold the signature itself
_NOT_COVERED = frozenset({"signature", "signature-input"})


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature covers.

    Args:
        label: of the signature.
        components: names of what is covered, in order.
        key_id: which key is said to have signed.
        created: epoch in s; None where the signer has no clock. Nothing relies on it.
        text: the value of `@signature-params`.
    """

    label: str
    components: tuple[str, ...]
    key_id: str
    created: int | None
    text: str


def parse_signature_input(field: str) -> SignatureInput:
    """Read the field's value.

    Raises:
        SignatureError: it is not one signature in the profile; says what is wrong.
    """
    if len(field) > LENGTH_LIMIT:
        raise SignatureError(f"signature-input has {len(field)} characters; at most {LENGTH_LIMIT} are accepted")
    return _parse(field)


def show(value: object) -> str:
    """A value as a message quotes it: short, and never what a terminal would act on."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


@lru_cache(KEPT)
def _parse(field: str) -> SignatureInput:
    label, (members, parameters) = _one_signature(field)
    key_id, created = _check_parameters(parameters)
    components = _check_components(members)
    canonical = http_sf.ser({label: (members, parameters)})
    if field != canonical:
        # the same meaning in another spelling would verify too; with one spelling there is nothing to interpret
        raise SignatureError(f"signature-input is {show(field)}; expected its canonical form {show(canonical)}")
    return SignatureInput(label, components, key_id, created, canonical.removeprefix(f"{label}="))


def _one_signature(field: str) -> tuple[str, tuple[list[Any], dict[str, Any]]]:
    try:
        parsed: Any = http_sf.parse(field.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_duplicate)
    except ValueError as error:
        raise SignatureError(f"signature-input is not a structured field: {show(str(error))}") from error
    if len(parsed) != 1:
        raise SignatureError(f"signature-input has {len(parsed)} signatures; expected one")
    [(label, member)] = parsed.items()
    if not isinstance(member[0], list):
        raise SignatureError('signature-input is not a list; expected such as sig1=("@method" …);keyid="7.1"')
    return label, member


def _refuse_duplicate(name: str, _context: str) -> None:
    raise SignatureError(f"signature-input has {show(name)} twice")


def _check_components(members: list[Any]) -> tuple[str, ...]:
    names: list[str] = []
    for name, parameters in members:
        if type(name) is not str or parameters:
            raise SignatureError("signature-input covers something that is not a plain name in quotes")
        if name in names:
            raise SignatureError(f"signature-input covers {show(name)} twice")
        if name not in DERIVED and (name in _NOT_COVERED or _FIELD_NAME.fullmatch(name) is None):
            raise SignatureError(f"signature-input covers {show(name)}; known are @method, @path and header fields")
        names.append(name)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise SignatureError(f"signature-input does not cover {', '.join(missing)}")
    return tuple(names)


def _check_parameters(parameters: dict[str, Any]) -> tuple[str, int | None]:
    unknown = sorted(parameters.keys() - {"keyid", "alg", "created"})
    if unknown:
        raise SignatureError(f"signature-input has {show(unknown[0])}; known are keyid, alg and created")
    key_id, algorithm, created = (parameters.get(name) for name in ("keyid", "alg", "created"))
    if type(key_id) is not str:
        raise SignatureError('signature-input has no keyid in quotes; expected such as keyid="7.1"')
    if "alg" in parameters and (type(algorithm) is not str or algorithm != ALGORITHM):
        raise SignatureError(f'signature-input has alg {show(algorithm)}; expected "{ALGORITHM}" or none')
    if "created" in parameters and type(created) is not int:
        raise SignatureError(f"signature-input has created {show(created)}; expected whole seconds or none")
    return key_id, created
