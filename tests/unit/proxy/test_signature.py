"""Signatures: published vectors, what is refused and how it is said, and that not a bit may change."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plantkeeper_proxy.errors import SignatureError
from plantkeeper_proxy.signature import Unverified, content_digest, prepare, sign, signature_base, verify
from plantkeeper_proxy.signature_input import LENGTH_LIMIT, REQUIRED, parse_signature_input

METHOD, PATH = "POST", "/sensor-data"
BODY = b'{"id":7,"temperature":21,"humidity":40,"light":900}'
SECRET = bytes(range(32))
GOLDEN = Path(__file__).parents[2] / "contract" / "signed_post.http"
COVERED = '("@method" "@path" "content-digest" "idempotency-key")'


def signed(**changes: str) -> dict[str, str]:
    """The headers of a signed request; a change may name any of them, with _ for -."""
    headers = {"host": "192.0.2.10:8080", "content-type": "application/json", "idempotency-key": '"3-42"'}
    headers |= sign(METHOD, PATH, headers, BODY, key_id="7.2", secret=SECRET)
    return {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}


def refusal(headers: dict[str, str], *, body: bytes = BODY, method: str = METHOD, path: str = PATH) -> str:
    with pytest.raises(SignatureError) as error:
        verify(method, path, headers, body, SECRET)
    said = str(error.value)
    assert said.isprintable()
    assert SECRET.hex() not in said
    assert base64.b64encode(SECRET).decode() not in said
    return said


# ---- published vectors --------------------------------------------------------------------------------------------


def test_rfc_9421_appendix_b_2_5() -> None:
    parameters = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
    ]
    base = signature_base(components, parameters)
    assert base == (
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        b'"@authority": example.com\n'
        b'"content-type": application/json\n'
        b'"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    secret = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    signature = b"sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
    assert Unverified("test-shared-secret", "sig-b25", base, signature).is_signed_with(secret)
    assert not Unverified("test-shared-secret", "sig-b26", base, signature).is_signed_with(secret)
    assert not Unverified("test-shared-secret", "sig-b25", base, signature).is_signed_with(secret[:-1])


@pytest.mark.parametrize(
    ("secret", "data", "mac"),
    [  # RFC 4231 sections 4.2, 4.3, 4.4, 4.5, 4.7, 4.8
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            b"\xaa" * 131,
            (
                b"This is a test using a larger than block-size key and a larger than block-size data. "
                b"The key needs to be hashed before being used by the HMAC algorithm."
            ),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ],
)
def test_rfc_4231(secret: bytes, data: bytes, mac: str) -> None:
    signature = b"sig1=:" + base64.b64encode(bytes.fromhex(mac)) + b":"
    assert Unverified("7.1", "sig1", data, signature).is_signed_with(secret)


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (b'{"hello": "world"}\n', "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),  # RFC 9530 appendix D
        (b'{"hello": "world"}', "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),  # RFC 9421 appendix B.2
        (b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),  # RFC 9530 appendix B.2
    ],
)
def test_content_digest(body: bytes, digest: str) -> None:
    assert content_digest(body) == digest


def test_golden_request() -> None:
    head, body = GOLDEN.read_bytes().split(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == f"{METHOD} {PATH} HTTP/1.1"
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    verified = verify(METHOD, PATH, headers, body, SECRET)
    assert (verified.label, verified.key_id, verified.created) == ("sig1", "7.1", None)
    assert verified.components == REQUIRED
    # made with OpenSSL, by no code of ours
    assert headers["signature"] == "sig1=:N9LRAiGn3Wch8LaxoP5h6h0sBrbH6hYZb2Q858mVhyo=:"


# ---- what is accepted ---------------------------------------------------------------------------------------------

texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
key_ids = st.from_regex(r"[1-9][0-9]{0,9}\.[1-9][0-9]{0,9}", fullmatch=True)
labels = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,9}", fullmatch=True)


@given(
    method=st.sampled_from(["POST", "PUT"]),
    path=texts.map(lambda text: "/" + text),
    key=texts,
    body=st.binary(max_size=300),
    secret=st.binary(min_size=1, max_size=80),
    key_id=key_ids,
    label=labels,
    components=st.permutations([*REQUIRED, "host", "x-more"]),
    parameters=st.sampled_from(["", ';alg="hmac-sha256"', ";created=1618884473", ';created=-1;alg="hmac-sha256"']),
)
def test_what_is_signed_verifies(
    method: str,
    path: str,
    key: str,
    body: bytes,
    secret: bytes,
    key_id: str,
    label: str,
    components: list[str],
    parameters: str,
) -> None:
    headers = {"idempotency-key": key, "host": "a.example", "x-more": "1, 2"}
    headers |= sign(
        method,
        path,
        headers,
        body,
        key_id=key_id,
        secret=secret,
        label=label,
        components=components,
        parameters=parameters,
    )
    verified = verify(method, path, headers, body, secret)
    assert (verified.key_id, verified.label, verified.components) == (key_id, label, tuple(components))


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    headers = {name: f" \t{value} " for name, value in signed().items()}
    assert verify(METHOD, PATH, headers, BODY, SECRET).key_id == "7.2"


def test_fields_that_are_not_covered_may_change() -> None:
    assert verify(METHOD, PATH, signed(host="other", x_more="é"), BODY, SECRET).key_id == "7.2"


# ---- what is refused ----------------------------------------------------------------------------------------------

PARTS = ("method", "path", "body", "secret", "content-digest", "signature-input", "signature", "idempotency-key")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("parameters", ["", ';alg="hmac-sha256";created=1618884473'])
def test_not_a_bit_may_change(part: str, parameters: str) -> None:
    headers = {"idempotency-key": '"3-42"'}
    headers |= sign(METHOD, PATH, headers, BODY, key_id="7.2", secret=SECRET, parameters=parameters)
    parts = {"method": METHOD.encode(), "path": PATH.encode(), "body": BODY, "secret": SECRET}
    original = parts.get(part) or headers[part].encode()
    for bit in range(8 * len(original)):
        changed = bytearray(original)
        changed[bit // 8] ^= 1 << bit % 8
        now = {**parts, part: bytes(changed)}
        fields = {**headers, part: now[part].decode("latin-1")} if part in headers else headers
        with pytest.raises(SignatureError):
            verify(now["method"].decode("latin-1"), now["path"].decode("latin-1"), fields, now["body"], now["secret"])


@given(st.sampled_from(PARTS[4:]), st.data())
def test_no_other_text_verifies(name: str, data: st.DataObject) -> None:
    """Cut, doubled, moved or inserted characters: only what was signed verifies."""
    headers = signed()
    value = headers[name]
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    piece = data.draw(
        st.sampled_from([" ", "\t", ",", ";", "=", ":", '"', "(", ")", "\r\n", value, value[start:end], "é"])
    )
    changed = value[:start] + piece + value[data.draw(st.sampled_from([start, end])) :]
    if changed.strip(" \t") != value:
        refusal({**headers, name: changed})


@given(
    st.dictionaries(st.sampled_from(PARTS[4:]), st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))),
    st.binary(max_size=20),
)
@example({"signature-input": "sig1=" + "(" * 400}, b"")
@example({"signature-input": 'sig1=("@method");keyid=@1618884473'}, b"")
@example({"signature-input": 'sig1=("@method");keyid=@99999999999999999999'}, b"")
@example({"signature-input": 'sig1=%"%c3%28"'}, b"")
def test_any_bytes_are_refused_with_a_message(changes: dict[str, str], body: bytes) -> None:
    headers = signed(**changes)
    if headers != signed() or body != BODY:
        refusal(headers, body=body)


structured = st.from_regex(
    r'[a-z1]{1,4}=(\((" ?@?[a-z-]{1,8}"(;sf|;key="a")? ?){0,4}\)|[a-z]{3}|:YQ==:|-?[0-9]{1,16}(\.[0-9]{1,4})?)'
    r'(; ?(keyid|alg|created|tag|expires)(=("[0-9.]{0,5}"|[0-9]{1,16}|\?1|:YQ==:|[a-z]{1,3}))?){0,3}',
    fullmatch=True,
)


@given(st.lists(structured, min_size=1, max_size=2).map(", ".join))
def test_structured_fields_out_of_the_profile_are_refused_with_a_message(field: str) -> None:
    refusal(signed(signature_input=field))


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("", "has 0 signatures"),
        ("sig1", "is not a list"),
        ("sig1=7", "is not a list"),
        (f'sig1={COVERED};keyid="7.2", sig2={COVERED};keyid="7.2"', "has 2 signatures; expected one"),
        (f'sig1={COVERED};keyid="7.2", sig1={COVERED};keyid="7.2"', "has 'sig1' twice"),
        (f'sig1={COVERED};keyid="9.1";keyid="7.2"', "has 'keyid' twice"),
        (f"sig1={COVERED}", "has no keyid in quotes"),
        (f"sig1={COVERED};keyid=7.2", "has no keyid in quotes"),
        (f"sig1={COVERED};keyid", "has no keyid in quotes"),
        (f'sig1={COVERED};keyid="7.2";alg="ed25519"', "has alg 'ed25519'; expected \"hmac-sha256\" or none"),
        (f'sig1={COVERED};keyid="7.2";alg=hmac-sha256', "has alg"),
        (f'sig1={COVERED};keyid="7.2";alg', "has alg True"),
        (f'sig1={COVERED};keyid="7.2";created="1"', "has created '1'; expected whole seconds"),
        (f'sig1={COVERED};keyid="7.2";created=1.5', "has created"),
        (f'sig1={COVERED};keyid="7.2";created', "has created True"),
        (f'sig1={COVERED};keyid="7.2";expires=1', "has 'expires'; known are keyid, alg and created"),
        (f'sig1={COVERED};keyid="7.2";nonce="a"', "has 'nonce'; known are"),
        (f'sig1={COVERED};keyid="7.2";tag="a"', "has 'tag'; known are"),
        (f'sig1=({COVERED[1:-1]} "@path");keyid="7.2"', "covers '@path' twice"),
        (f'sig1=({COVERED[1:-1]} "@authority");keyid="7.2"', "covers '@authority'; known are"),
        (f'sig1=({COVERED[1:-1]} "@query");keyid="7.2"', "covers '@query'; known are"),
        (f'sig1=({COVERED[1:-1]} "Host");keyid="7.2"', "covers 'Host'; known are"),
        (f'sig1=({COVERED[1:-1]} "signature");keyid="7.2"', "covers 'signature'; known are"),
        (f'sig1=({COVERED[1:-1]} "");keyid="7.2"', "covers ''; known are"),
        (f'sig1=({COVERED[1:-1]} host);keyid="7.2"', "covers something that is not a plain name"),
        (f'sig1=({COVERED[1:-1]} "host";sf);keyid="7.2"', "covers something that is not a plain name"),
        (f'sig1=({COVERED[1:-1]} "@method";req);keyid="7.2"', "covers something that is not a plain name"),
        ('sig1=("@method" "content-digest");keyid="7.2"', "does not cover @path, idempotency-key"),
        ('sig1=();keyid="7.2"', "does not cover @method, @path, content-digest, idempotency-key"),
        (f'sig1=( {COVERED[1:-1]});keyid="7.2"', "expected its canonical form"),
        (f'sig1={COVERED}; keyid="7.2"', "expected its canonical form"),
        (f'sig1={COVERED};keyid="7.2" x', "is not a structured field"),
        (f'sig1={COVERED};keyid="7.2"é', "is not a structured field"),
        (f'sig1={COVERED};keyid="{"7" * LENGTH_LIMIT}"', f"characters; at most {LENGTH_LIMIT}"),
    ],
)
def test_a_signature_input_out_of_the_profile_is_named(field: str, said: str) -> None:
    assert said in refusal(signed(signature_input=field))
    with pytest.raises(SignatureError):
        parse_signature_input(field)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("signature", "", "the signature is not this key's"),
        ("signature", "sig1=:AAAA:", "the signature is not this key's"),
        ("signature", "é", "signature is not ASCII"),
        ("content-digest", "sha-512=:AAAA:", "expected sha-256=:…: of the body's 51 bytes and nothing else"),
        ("content-digest", "", "expected sha-256"),
        ("content-digest", content_digest(BODY) + ", md5=:AAAA:", "and nothing else"),
        ("idempotency-key", '"3-43"', "the signature is not this key's"),
        ("idempotency-key", "é", "a covered component is not ASCII"),
        ("idempotency-key", 'a\n"host": b', "a covered component holds a line's end"),
        ("idempotency-key", "a\rb", "a covered component holds a line's end"),
    ],
)
def test_a_field_that_is_wrong_is_named(name: str, value: str, said: str) -> None:
    assert said in refusal({**signed(), name: value})


@pytest.mark.parametrize("name", PARTS[4:])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    headers = signed()
    del headers[name]
    assert refusal(headers) == f"{name} is missing; a signed request needs it"


def test_a_covered_field_that_is_missing_is_named() -> None:
    headers = signed(signature_input=f'sig1=({COVERED[1:-1]} "x-more");keyid="7.2"')
    assert refusal(headers) == "x-more is missing; a signed request needs it"


def test_another_signature_of_the_same_key_is_no_use() -> None:
    other = {"idempotency-key": '"3-43"'}
    other |= sign(METHOD, PATH, other, BODY, key_id="7.2", secret=SECRET)
    refusal(signed(signature=other["signature"]))


def test_the_form_is_judged_without_a_key() -> None:
    unverified = prepare(METHOD, PATH, signed(), BODY)
    assert unverified.key_id == "7.2"
    assert unverified.is_signed_with(SECRET)
    assert not unverified.is_signed_with(bytes(32))
    assert not unverified.is_signed_with(b"")
