"""One message over HTTPS: its bytes, and what becomes of every way in which a backend can answer, or not."""

from __future__ import annotations

import asyncio
import locale
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plantkeeper_proxy import upstream as module
from plantkeeper_proxy.delivery import Delivered, Outcome, Reject, Retry, Waiting
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.upstream import ANSWER_LIMIT, Trust, Upstream
from plantkeeper_sim.backend import tls

pytestmark = pytest.mark.integration
READING = Waiting(5, 7, "3-9", 21.5, 40.0, 900.0, 1_700_000_000.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
ENDS = datetime(2040, 5, 6, 7, 8, 9, tzinfo=UTC)
Talk = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A TLS server that talks as it is told, and counts."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The next one, head and body; empty where the client hung up."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Content-Length:"))
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]


@asynccontextmanager
async def serving(talk: Talk, context: ssl.SSLContext) -> AsyncIterator[Peer]:
    peer = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        try:
            await talk(peer, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


def answering(*answers: bytes) -> Talk:
    """Each request gets the next answer, the last one goes on; the connection stays."""

    async def talk(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.request(reader):
            writer.write(answers[min(len(peer.requests), len(answers)) - 1])

    return talk


async def hangs_up(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)


async def outcome_of(upstream: Upstream, reading: Waiting) -> Outcome:
    found: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    upstream.send(reading, found.set_result)
    return await asyncio.wait_for(found, 20)


def sent(
    talk: Talk,
    folder: Path,
    *,
    times: int = 1,
    timeout_s: float = 5.0,
    host: str = "localhost",
    token: str | None = None,
) -> tuple[list[Outcome], Peer, float | None]:
    """The reading sent so often, one after the other: outcomes, what the peer saw, when its certificate ends."""

    async def run() -> tuple[list[Outcome], Peer, float | None]:
        async with serving(talk, tls.server_context(folder)) as peer:
            upstream = Upstream(
                f"https://localhost:{peer.port}/",
                trust=Trust(folder / tls.CA),
                token=token,
                timeout_s=timeout_s,
                connections=4,
            )
            try:
                return [await outcome_of(upstream, READING) for _ in range(times)], peer, upstream.certificate_expires_s
            finally:
                upstream.close()

    return uvloop.run(run())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    tls.issue(made, not_after=ENDS)
    return made


def test_the_request_byte_by_byte_and_one_connection_for_all(folder: Path) -> None:
    outcomes, peer, _ = sent(answering(OK), folder, times=3, token="t0k3n")
    assert outcomes == [Delivered()] * 3
    assert peer.connections == 1
    assert peer.requests == 3 * [
        b"PATCH /api/v1/sensors/7 HTTP/1.1\r\n"
        b"Host: localhost:%d\r\n"
        b"Content-Type: application/json\r\n"
        b"User-Agent: PlantKeeper-Gateway\r\n"
        b"Authorization: Bearer t0k3n\r\n"
        b'Idempotency-Key: "3-9"\r\n'
        b"Content-Length: 53\r\n"
        b"\r\n"
        b'{"id":7,"temperature":21.5,"humidity":40,"light":900}' % peer.port
    ]


def test_many_at_once_each_gets_its_own_answer(folder: Path) -> None:
    async def talk(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await peer.request(reader):
            sensor = int(request.split(b" ")[1].rsplit(b"/")[-1])
            await asyncio.sleep(0.001 * (sensor % 5))
            writer.write(OK if sensor % 2 else b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n%03d" % sensor)

    async def run() -> list[Outcome]:
        async with serving(talk, tls.server_context(folder)) as peer:
            upstream = Upstream(
                f"https://localhost:{peer.port}", trust=Trust(folder / tls.CA), token=None, timeout_s=5, connections=16
            )
            try:
                return await asyncio.gather(
                    *(outcome_of(upstream, Waiting(n, n, None, 1.0, 2.0, 3.0, 0.0)) for n in range(100, 200))
                )
            finally:
                upstream.close()

    assert uvloop.run(run()) == [
        Delivered() if n % 2 else Reject(f"the backend answered 400: '{n}'") for n in range(100, 200)
    ]


def test_when_the_certificate_ends_is_seen(folder: Path) -> None:
    *_, expires_s = sent(answering(OK), folder)
    assert expires_s == ENDS.timestamp()


def der(tag: int, *content: bytes) -> bytes:
    """A value of ASN.1 in fewer than 128 bytes."""
    joined = b"".join(content)
    return bytes([tag, len(joined)]) + joined


def write_certificate(
    folder: Path, authority: trustme.CA, filled_in: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]
) -> None:
    """Another certificate for the server's key, as trustme makes none."""
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issued = x509.load_pem_x509_certificate((folder / tls.CERTIFICATE).read_bytes())
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issued.issuer)
        .public_key(issued.public_key())
        .serial_number(issued.serial_number)
        .not_valid_before(issued.not_valid_before_utc)
        .not_valid_after(ENDS)
    )
    again = filled_in(builder).sign(signer, hashes.SHA256())
    (folder / tls.CERTIFICATE).write_bytes(again.public_bytes(serialization.Encoding.PEM))


def test_a_certificate_with_text_that_is_no_utf_8(tmp_path: Path) -> None:
    """A policy's notice as authorities write it, in two bytes a character (RFC 5280 section 4.2.1.4)."""
    notice = der(0x30, der(0x1E, "電子".encode("utf-16-be")))
    qualifier = der(0x30, der(0x06, bytes.fromhex("2b06010505070202")), notice)
    policies = der(0x30, der(0x30, der(0x06, bytes.fromhex("2a0304")), der(0x30, qualifier)))
    authority = tls.issue(tmp_path)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), policies)
    name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    write_certificate(
        tmp_path,
        authority,
        lambda builder: (
            builder.subject_name(x509.Name([]))
            .add_extension(unknown, critical=False)
            .add_extension(name, critical=True)
        ),
    )
    outcomes, _, expires_s = sent(answering(OK), tmp_path)
    assert outcomes == [Delivered()]
    assert expires_s == ENDS.timestamp()


def test_a_bug_in_judging_is_an_outcome_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the reading's device waits for ever, and the forwarder never ends."""

    def broken(*_arguments: object) -> Outcome:
        raise RuntimeError("broken")

    monkeypatch.setattr(module, "judge", broken)
    with caplog.at_level(logging.ERROR):
        outcomes, *_ = sent(answering(OK), folder, times=2)
    assert outcomes == [Retry("internal error: RuntimeError('broken')", after_s=60.0)] * 2
    assert len(caplog.records) == 2


def test_a_kept_connection_that_was_closed_is_replaced(folder: Path) -> None:
    async def once_a_connection(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(OK)
        await writer.drain()

    outcomes, peer, _ = sent(once_a_connection, folder, times=3)
    assert outcomes == [Delivered()] * 3
    assert peer.connections == 3


def test_a_kept_connection_that_dies_under_the_request_is_replaced(folder: Path) -> None:
    """The backend closes it at the very moment: the request went out, nothing came back."""

    async def second_is_lost(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.request(reader):
            if len(peer.requests) == 2:
                writer.transport.abort()
                return
            writer.write(OK)

    outcomes, peer, _ = sent(second_is_lost, folder, times=2)
    assert outcomes == [Delivered()] * 2
    assert (peer.connections, len(peer.requests)) == (2, 3)


def only(outcomes: list[Outcome]) -> Retry:
    (outcome,) = outcomes
    assert isinstance(outcome, Retry)
    assert not outcome.device_only
    return outcome


def test_a_new_connection_that_is_closed_without_an_answer_is_no_delivery(folder: Path) -> None:
    outcomes, peer, _ = sent(hangs_up, folder)
    outcome = only(outcomes)
    assert "broke off" in outcome.error
    assert not outcome.untrusted
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
def test_half_an_answer_is_no_delivery(folder: Path, answer: bytes) -> None:
    async def half(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(answer)
        await writer.drain()

    assert not only(sent(half, folder)[0]).untrusted


@pytest.mark.parametrize("answer", [b"220 smtp ready\r\n", b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", b"\0" * 64])
def test_what_is_no_http_is_no_delivery(folder: Path, answer: bytes) -> None:
    async def talk(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(answer)
        await writer.drain()

    assert not only(sent(talk, folder)[0]).untrusted


@pytest.mark.slow
def test_an_answer_that_trickles_is_cut_off_in_time(folder: Path) -> None:
    """Each byte comes well within any time limit of one read; the limit is over all of it."""

    async def trickle(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert "did not answer within 0.3 s" in only(sent(trickle, folder, timeout_s=0.3)[0]).error


@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n" % (2 * ANSWER_LIMIT), b"Connection: close\r\n"])
def test_an_answer_without_end_is_cut_off(folder: Path, length: bytes) -> None:
    async def endless(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(b"HTTP/1.1 500 Oh\r\n" + length + b"\r\n")
        for _ in range(64):
            writer.write(b"x" * 65_536)
            await writer.drain()

    assert only(sent(endless, folder)[0]).error == f"the backend's answer is over {ANSWER_LIMIT} bytes"


def test_a_redirect_is_not_followed(folder: Path) -> None:
    there = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://localhost:1/\r\nContent-Length: 0\r\n\r\n"
    outcomes, peer, _ = sent(answering(there), folder)
    assert only(outcomes).error == "the backend answered 308: ''"
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("7", 7.0),
        ("  7 ", 7.0),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("0", None),
        (formatdate(1, usegmt=True), None),
    ],
)
def test_retry_after_is_read(folder: Path, header: str | None, after_s: float | None) -> None:
    said = "" if header is None else f"Retry-After: {header}\r\n"
    answer = f"HTTP/1.1 503 Service Unavailable\r\n{said}Content-Length: 0\r\n\r\n".encode()
    assert sent(answering(answer), folder)[0] == [Retry("the backend answered 503: ''", after_s)]


def test_retry_after_may_be_a_date(folder: Path) -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    answer = b"HTTP/1.1 503 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % formatdate(
        until.timestamp(), usegmt=True
    ).encode("ascii")
    after_s = only(sent(answering(answer), folder)[0]).after_s
    assert after_s is not None
    assert 80 <= after_s <= 90


def test_a_wait_without_end_is_kept_within_bounds(folder: Path) -> None:
    answer = b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 400 + b"\r\nContent-Length: 0\r\n\r\n"
    outcome = only(sent(answering(answer), folder)[0])
    assert outcome.after_s is None or outcome.after_s >= 3600


def test_a_name_that_the_certificate_is_not_good_for(tmp_path: Path) -> None:
    tls.issue(tmp_path, names=["backend.invalid"])
    outcomes, peer, expires_s = sent(answering(OK), tmp_path)
    assert only(outcomes).untrusted
    assert (peer.requests, expires_s) == ([], None)


@pytest.mark.parametrize("locale_name", ["C", "C.UTF-8"])
def test_a_name_that_is_not_ascii_is_text_in_any_locale(tmp_path: Path, locale_name: str) -> None:
    """Where it could not be encoded, neither log nor database would take the error, and the forwarder would end."""
    authority = tls.issue(tmp_path)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gärtnerei")])
    write_certificate(tmp_path, authority, lambda builder: builder.subject_name(subject))
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, locale_name)
    try:
        outcome = only(sent(answering(OK), tmp_path)[0])
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    assert outcome.untrusted
    assert "'Gärtnerei'" in outcome.error


def test_a_client_certificate_is_shown_where_one_is_set(tmp_path: Path) -> None:
    authority = tls.issue(tmp_path)
    ours = tmp_path / "client.pem"
    authority.issue_cert("gateway@plantkeeper.invalid").private_key_and_cert_chain_pem.write_to_path(ours)
    context = tls.server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / tls.CA)

    async def run(certificate: Path | None) -> Outcome:
        async with serving(answering(OK), context) as peer:
            trust = Trust(tmp_path / tls.CA, certificate)
            upstream = Upstream(f"https://localhost:{peer.port}", trust=trust, token=None, timeout_s=5, connections=1)
            try:
                return await outcome_of(upstream, READING)
            finally:
                upstream.close()

    assert uvloop.run(run(ours)) == Delivered()
    assert isinstance(uvloop.run(run(None)), Retry)


def test_nobody_listens_there(folder: Path) -> None:
    async def run() -> Outcome:
        async with serving(answering(OK), tls.server_context(folder)) as peer:
            port = peer.port
        upstream = Upstream(
            f"https://localhost:{port}", trust=Trust(folder / tls.CA), token=None, timeout_s=5, connections=1
        )
        try:
            return await outcome_of(upstream, READING)
        finally:
            upstream.close()

    outcome = only([uvloop.run(run())])
    assert outcome.error.startswith("the backend cannot be reached")
    assert not outcome.untrusted


def test_a_proxy_in_the_environment_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert sent(answering(OK), folder)[0] == [Delivered()]


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    with pytest.raises(SettingsError, match=r"PLANTKEEPER_BACKEND_CA is '.*wrong\.pem': not a PEM file"):
        Trust(wrong)
    with pytest.raises(SettingsError, match=r"PLANTKEEPER_BACKEND_CA is '.*none\.pem'"):
        Trust(tmp_path / "none.pem")
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    with pytest.raises(SettingsError, match=r"PLANTKEEPER_BACKEND_CLIENT_CERT is '.*wrong\.pem': expected a PEM"):
        Trust(ca, wrong)
