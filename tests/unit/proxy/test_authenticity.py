"""Who may write in whose name: every combination of policy, signature and key, and what the sender is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.authenticity import (
    BAD_SIGNATURE,
    MUST_SIGN,
    NO_SECRET,
    UNREADABLE,
    UNSIGNED,
    Claim,
    DeviceKeys,
    Legacy,
    LegacyClaim,
    Policy,
    Refused,
    Signed,
    SignedClaim,
    Verdict,
    devices_of,
    examine,
    judge,
    policy,
)
from plantkeeper_proxy.device_ranges import DeviceRanges, parse_ranges
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.message import MAX_ID, parse_reading
from plantkeeper_proxy.signature import Unverified, sign

SECRET, OTHER = b"s" * 32, b"o" * 32
REQUIRED = Policy()
LISTED = Policy(parse_ranges("LEGACY", "7-9"))


def examined(
    rules: Policy = REQUIRED,
    *,
    device_id: int = 7,
    key_id: str | None = "7.2",
    secret: bytes = SECRET,
    key: str | None = '"3-42"',
    **changes: str,
) -> Claim | Refused:
    """What the request alone says; without key_id it is unsigned."""
    body = b'{"id":%d,"temperature":21}' % device_id
    headers = {} if key is None else {"idempotency-key": key}
    if key_id is not None:
        headers |= sign("POST", "/sensor-data", headers, body, key_id=key_id, secret=secret)
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return examine(rules, parse_reading(body, key), method="POST", path="/sensor-data", headers=headers, body=body)


def claim(rules: Policy = REQUIRED, **request: Any) -> Claim:
    outcome = examined(rules, **request)
    assert not isinstance(outcome, Refused), outcome
    return outcome


def verdict(keys: dict[int, DeviceKeys] | None = None, rules: Policy = REQUIRED, **request: Any) -> Verdict:
    if keys is None:
        keys = {7: DeviceKeys({2: SECRET}, has_signed=True)}
    [outcome] = judge([claim(rules, **request)], keys)
    return outcome


# ---- from the request alone ---------------------------------------------------------------------------------------


def test_a_signed_reading_is_a_claim() -> None:
    signed = claim()
    assert isinstance(signed, SignedClaim)
    assert (signed.device_id, signed.key_device, signed.key_number) == (7, 7, 2)
    assert (signed.boot, signed.sequence) == (3, 42)


@pytest.mark.parametrize("device_id", [7, 8, 9])
def test_a_listed_device_may_do_without(device_id: int) -> None:
    assert claim(LISTED, device_id=device_id, key_id=None) == LegacyClaim(device_id)
    assert claim(LISTED, device_id=device_id, key_id=None, key=None) == LegacyClaim(device_id)


@pytest.mark.parametrize(("rules", "device_id"), [(REQUIRED, 7), (LISTED, 6), (LISTED, 10), (LISTED, MAX_ID)])
def test_others_may_not(rules: Policy, device_id: int) -> None:
    assert examined(rules, device_id=device_id, key_id=None) is UNSIGNED


@pytest.mark.parametrize(
    "changes", [{"signature": ""}, {"signature_input": ""}, {"signature": "", "signature_input": ""}]
)
def test_who_tries_to_sign_is_held_to_it(changes: dict[str, Any]) -> None:
    outcome = examined(LISTED, key_id=None, **changes)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.reason) == (401, "malformed_signature")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"key_id": "7"}, "'7' is not accepted; expected keyid as \"<device>.<number>\""),
        ({"key_id": "07.2"}, "expected keyid"),
        ({"key_id": "7.0"}, "expected keyid"),
        ({"key_id": "7.2.1"}, "expected keyid"),
        ({"key_id": "-7.2"}, "expected keyid"),
        ({"key_id": f"{MAX_ID + 1}.1"}, f"at most {MAX_ID}"),
        ({"key": '"3"'}, "'3' is not accepted; expected Idempotency-Key as \"<boot>-<sequence>\""),
        ({"key": '"0-1"'}, "expected Idempotency-Key"),
        ({"key": '"1-0"'}, "expected Idempotency-Key"),
        ({"key": '"03-42"'}, "expected Idempotency-Key"),
        ({"key": '"4294967296-1"'}, "at most 4294967295"),
        ({"key": '"1-4294967296"'}, "at most 4294967295"),
        ({"signature_input": "sig1"}, "signature-input is not a list"),
        ({"content_digest": "sha-256=:AAAA:"}, "content-digest is"),
    ],
)
def test_a_form_that_is_wrong_is_named(request_: dict[str, Any], said: str) -> None:
    outcome = examined(LISTED, **request_)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.reason) == (401, "malformed_signature")
    assert said in outcome.message


def test_a_signed_reading_needs_a_key() -> None:
    headers = {"idempotency-key": '"3-42"'}
    body = b'{"id":7}'
    headers |= sign("POST", "/", headers, body, key_id="7.2", secret=SECRET)
    del headers["idempotency-key"]
    outcome = examine(REQUIRED, parse_reading(body, None), method="POST", path="/", headers=headers, body=body)
    assert outcome == Refused(401, "malformed_signature", "idempotency-key is missing; a signed request needs it")


def test_the_largest_numbers_are_taken() -> None:
    signed = claim(key_id=f"{MAX_ID}.{MAX_ID}", key='"4294967295-4294967295"')
    assert isinstance(signed, SignedClaim)
    assert (signed.key_device, signed.key_number) == (MAX_ID, MAX_ID)
    assert (signed.boot, signed.sequence) == (2**32 - 1, 2**32 - 1)


# ---- with the keys ------------------------------------------------------------------------------------------------


def test_a_valid_signature_is_accepted() -> None:
    assert verdict() == Signed(7, 2, 3, 42, first_use=False)
    unused = DeviceKeys({1: OTHER, 2: SECRET}, unused=frozenset({2}))
    assert verdict({7: unused}) == Signed(7, 2, 3, 42, first_use=True)


@pytest.mark.parametrize(
    "keys",
    [
        {},  # no such device
        {7: DeviceKeys({})},  # all revoked
        {7: DeviceKeys({1: SECRET})},  # no such number
        {7: DeviceKeys({2: OTHER})},  # another key
        {8: DeviceKeys({2: SECRET})},
    ],
)
@pytest.mark.parametrize("device_id", [7, 8])
def test_an_unknown_key_and_a_wrong_signature_are_told_the_same(keys: dict[int, DeviceKeys], device_id: int) -> None:
    for rules in (REQUIRED, LISTED):
        assert verdict(keys, rules, device_id=device_id) is BAD_SIGNATURE


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_key_costs_the_same_work(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    tried: list[bytes] = []

    def counted(_self: Unverified, secret: bytes) -> bool:
        tried.append(secret)
        return False

    monkeypatch.setattr(Unverified, "is_signed_with", counted)
    assert verdict({7: DeviceKeys({2: SECRET})} if known else {}) is BAD_SIGNATURE
    assert [len(secret) for secret in tried] == [32]


def test_the_secret_that_stands_for_unknown_keys_opens_nothing() -> None:
    for keys in ({}, {7: DeviceKeys({})}, {7: DeviceKeys({1: SECRET})}, {7: DeviceKeys({2: SECRET})}):
        assert verdict(keys, secret=NO_SECRET) is BAD_SIGNATURE


def test_a_device_can_only_write_as_itself() -> None:
    outcome = verdict(device_id=8)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.reason) == (403, "other_device")
    assert outcome.message == "key 7.2 may write as device 7 only, not as device 8"
    # without a valid key nobody learns that
    assert verdict(device_id=8, secret=OTHER) is BAD_SIGNATURE


def test_a_key_that_no_master_key_opens_is_our_fault_not_the_boards() -> None:
    assert verdict({7: DeviceKeys({}, unreadable=frozenset({2}))}) is UNREADABLE
    assert verdict({7: DeviceKeys({2: SECRET}, unreadable=frozenset({1}))}) == Signed(7, 2, 3, 42, first_use=False)


def test_a_listed_device_must_sign_once_it_has() -> None:
    def unsigned(keys: dict[int, DeviceKeys]) -> Verdict:
        return verdict(keys, LISTED, key_id=None)

    assert unsigned({}) == Legacy(7)
    assert unsigned({7: DeviceKeys({1: SECRET}, unused=frozenset({1}))}) == Legacy(7)
    assert unsigned({8: DeviceKeys({1: SECRET}, has_signed=True)}) == Legacy(7)
    assert unsigned({7: DeviceKeys({1: SECRET}, has_signed=True)}) is MUST_SIGN
    assert unsigned({7: DeviceKeys({}, has_signed=True)}) is MUST_SIGN  # its key was revoked: stolen, perhaps
    assert replace(MUST_SIGN, reason="unsigned") == UNSIGNED


def test_who_signs_first_in_a_batch_must_sign_in_the_rest_of_it() -> None:
    keys = {7: DeviceKeys({2: SECRET}, unused=frozenset({2})), 8: DeviceKeys({1: SECRET}, unused=frozenset({1}))}
    unsigned, signed = claim(LISTED, key_id=None), claim(LISTED)
    other = claim(LISTED, device_id=8, key_id=None)
    forged = claim(LISTED, device_id=8, key_id="8.1", secret=OTHER)
    as_another = claim(LISTED, device_id=8)
    assert judge([unsigned, forged, as_another, signed, other, unsigned], keys) == [
        Legacy(7),
        BAD_SIGNATURE,
        Refused(403, "other_device", "key 7.2 may write as device 7 only, not as device 8"),
        Signed(7, 2, 3, 42, first_use=True),
        Legacy(8),
        MUST_SIGN,
    ]


def test_the_devices_whose_keys_are_needed() -> None:
    claims = [claim(device_id=8), claim(LISTED, device_id=9, key_id=None), claim()]
    assert devices_of(claims) == [7, 9]
    assert devices_of([]) == []


# ---- settings -----------------------------------------------------------------------------------------------------


def ranges(text: str) -> DeviceRanges:
    return parse_ranges("PLANTKEEPER_LEGACY_DEVICES", text)


def test_all_must_sign_unless_the_settings_say_otherwise() -> None:
    for listed in ("", "1-3"):
        assert policy("required", ranges(listed)) == Policy(DeviceRanges())
    some = policy("legacy", ranges("7, 1-3"))
    assert [device_id for device_id in range(10) if device_id in some.legacy] == [1, 2, 3, 7]
    everybody = policy("legacy", ranges(f"1-{MAX_ID}"))
    assert 1 in everybody.legacy
    assert MAX_ID in everybody.legacy


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("", "PLANTKEEPER_LEGACY_DEVICES is not set"),
        ("1,,2", "PLANTKEEPER_LEGACY_DEVICES is '1,,2': '' is neither an id nor a range"),
        ("a", "'a' is neither an id nor a range; expected such as 1-3,7"),
        ("1-2-3", "'1-2-3' is neither"),
        ("-1", "'-1' is neither"),
        ("٣", "'٣' is neither"),
        ("0", f"'0' is not within 1…{MAX_ID}"),
        ("3-1", "'3-1' is not within"),
        (f"1-{MAX_ID + 1}", "is not within"),
    ],
)
def test_settings_that_make_no_sense_are_named(listed: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        policy("legacy", ranges(listed))
    assert said in str(error.value)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=8))
def test_ranges_hold_what_they_were_given_and_no_more(pairs: list[tuple[int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}" if more else f"{first}" for first, more in pairs)
    ranges = parse_ranges("LIST", text)
    wanted = {one for first, more in pairs for one in range(first, first + more + 1)}
    assert {one for one in range(80) if one in ranges} == wanted
    assert parse_ranges("LIST", str(ranges)) == ranges
    assert all(last + 1 < first for last, first in zip(ranges.lasts, ranges.firsts[1:], strict=False))
