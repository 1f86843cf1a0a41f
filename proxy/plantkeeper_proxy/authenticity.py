"""Whether a reading is from the device that it names. Pure.

In two steps, since the second needs the database: `examine` looks at the request alone, `judge` at a batch of what it
let through, with the keys of `devices_of` that batch. Replays are refused by the sequence, where readings are stored
(`store` in queries.sql). Who has no valid signature learns nothing of which devices and keys there
are: an unknown key and a wrong signature cost the same work and get the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from secrets import token_bytes
from typing import NamedTuple

from plantkeeper_proxy.device_ranges import DeviceRanges
from plantkeeper_proxy.errors import SettingsError, SignatureError
from plantkeeper_proxy.message import MAX_ID, Reading
from plantkeeper_proxy.signature import Unverified, prepare
from plantkeeper_proxy.signature_input import KEPT, show

MODE_VARIABLE = "PLANTKEEPER_SIGNATURES"
LEGACY_VARIABLE = "PLANTKEEPER_LEGACY_DEVICES"
REQUIRED, LEGACY = "required", "legacy"
MAX_COUNT = 2**32 - 1
_KEY_ID = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,9})", re.ASCII)
_SEQUENCE = re.compile(r"([1-9][0-9]{0,9})-([1-9][0-9]{0,9})", re.ASCII)
# what an unknown key is tried with; the outcome is not used, and nobody could bring it about
NO_SECRET = token_bytes(32)


@dataclass(frozen=True)
class Policy:
    """Who must sign.

    Args:
        legacy: devices whose unsigned readings are taken, until their first valid signature; empty for all must sign.
    """

    legacy: DeviceRanges = field(default_factory=DeviceRanges)


@dataclass(frozen=True, slots=True)
class SignedClaim:
    """A reading that says it is signed; form and body are right.

    Args:
        device_id: whom the reading is about.
        key_device, key_number: who signed, as the keyid has it.
        boot, sequence: what its Idempotency-Key counts.
    """

    device_id: int
    key_device: int
    key_number: int
    boot: int
    sequence: int
    signature: Unverified


class LegacyClaim(NamedTuple):
    """An unsigned reading of a device that may still do without."""

    device_id: int


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What the database knows of a device's keys.

    Args:
        secrets: of the keys that are valid now, by number.
        unused: those that never signed anything yet.
        unreadable: numbers of keys that are valid now and that no master key opens.
        has_signed: whether any key of the device, valid or not, ever signed.
    """

    secrets: Mapping[int, bytes]
    unused: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()
    has_signed: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """Accepted: this key signed it.

    Args:
        first_use: the key never signed before; mark it used before the reading is stored.
    """

    device_id: int
    key_number: int
    boot: int
    sequence: int
    first_use: bool


class Legacy(NamedTuple):
    """Accepted without a signature."""

    device_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted.

    Args:
        reason: a short name for counters.
        message: for the sender.
    """

    status: int
    reason: str
    message: str


Claim = SignedClaim | LegacyClaim
Verdict = Signed | Legacy | Refused

UNSIGNED = Refused(401, "unsigned", "the reading is not signed; this gateway takes signed readings only")
MUST_SIGN = Refused(401, "must_sign", UNSIGNED.message)
BAD_SIGNATURE = Refused(401, "bad_signature", "the signature is not valid")
UNREADABLE = Refused(503, "key_unreadable", "the reading was not stored; send it again")
# 422 as for a key that was used otherwise: a board drops it, instead of sending it for ever
REPLAYED = Refused(422, "replayed", "the Idempotency-Key is not above the device's last, and no reading has it")


def policy(mode: str, legacy: DeviceRanges) -> Policy:
    """The policy that the settings ask for.

    Args:
        mode: `required` or `legacy`.
        legacy: devices that may do without a signature where mode is `legacy`.

    Raises:
        SettingsError: mode is `legacy`, and there are none.
    """
    if mode == REQUIRED:
        return Policy()
    if not legacy.firsts:
        raise SettingsError(
            f"{LEGACY_VARIABLE} is not set; with {MODE_VARIABLE}={LEGACY}, expected the devices that may do without "
            f"a signature, such as 1-3,7 (1-{MAX_ID} for all)"
        )
    return Policy(legacy)


def examine(
    rules: Policy, reading: Reading, *, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Claim | Refused:
    """What can be said without the database.

    Args:
        path: of the request target, without the query.
        headers: names in lower case; values of a repeated name joined by ", ".
    """
    if "signature" not in headers and "signature-input" not in headers:
        return LegacyClaim(reading.device_id) if reading.device_id in rules.legacy else UNSIGNED
    try:
        signature = prepare(method, path, headers, body)
        key_device, key_number = _key(signature.key_id)
        boot, sequence = _counts(_SEQUENCE, reading.key or "", MAX_COUNT, 'Idempotency-Key as "<boot>-<sequence>"')
    except SignatureError as error:
        return Refused(401, "malformed_signature", str(error))
    return SignedClaim(reading.device_id, key_device, key_number, boot, sequence, signature)


def devices_of(claims: Sequence[Claim]) -> list[int]:
    """The devices whose keys it takes to judge these claims, each once, in order."""
    return sorted({claim.key_device if isinstance(claim, SignedClaim) else claim.device_id for claim in claims})


def judge(claims: Sequence[Claim], devices: Mapping[int, DeviceKeys]) -> list[Verdict]:
    """Decide on a batch, in its order: who signs in it for the first time must sign in the rest of it.

    Args:
        devices: what is known of the devices that `devices_of` names; those without keys may be left out.
    """
    signers: set[int] = set()
    verdicts: list[Verdict] = []
    for claim in claims:
        if isinstance(claim, LegacyClaim):
            known = devices.get(claim.device_id)
            must_sign = claim.device_id in signers or (known is not None and known.has_signed)
            verdicts.append(MUST_SIGN if must_sign else Legacy(claim.device_id))
        else:
            verdict = _judge_signed(claim, devices.get(claim.key_device))
            if isinstance(verdict, Signed):
                signers.add(verdict.device_id)
            verdicts.append(verdict)
    return verdicts


def _judge_signed(claim: SignedClaim, known: DeviceKeys | None) -> Verdict:
    secret = None if known is None else known.secrets.get(claim.key_number)
    matches = claim.signature.is_signed_with(NO_SECRET if secret is None else secret)
    if known is not None and claim.key_number in known.unreadable:
        return UNREADABLE
    if known is None or secret is None or not matches:
        return BAD_SIGNATURE
    if claim.device_id != claim.key_device:
        name = f"{claim.key_device}.{claim.key_number}"
        said = f"key {name} may write as device {claim.key_device} only, not as device {claim.device_id}"
        return Refused(403, "other_device", said)
    first_use = claim.key_number in known.unused
    return Signed(claim.device_id, claim.key_number, claim.boot, claim.sequence, first_use)


@lru_cache(KEPT)
def _key(key_id: str) -> tuple[int, int]:
    return _counts(_KEY_ID, key_id, MAX_ID, 'keyid as "<device>.<number>"')


def _counts(pattern: re.Pattern[str], text: str, limit: int, expected: str) -> tuple[int, int]:
    match = pattern.fullmatch(text)
    if match is None or int(match[1]) > limit or int(match[2]) > limit:
        raise SignatureError(
            f"{show(text)} is not accepted; expected {expected}, decimal numbers from 1, at most {limit}"
        )
    return int(match[1]), int(match[2])
