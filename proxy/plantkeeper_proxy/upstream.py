"""One reading to the backend over verified HTTPS, over kept connections. Only sends; `delivery.judge` judges.

Over libcurl: why not requests or urllib3, docs/decisions/0007-forwarding.md.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pycurl

from plantkeeper_proxy.delivery import ERROR_SHOWN, Outcome, Retry, Waiting, internal_error, judge
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.message import backend_body
from plantkeeper_proxy.transfers import Transfers

CONNECT_TIMEOUT_S = 5.0
IDLE_S = 4  # the backend closes idle connections after 5 s: ours are not used again then
ANSWER_LIMIT = 1 << 20
NOT_TRUSTED = {
    pycurl.E_SSL_CACERT,  # also E_PEER_FAILED_VERIFICATION: its certificate or its name
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_CIPHER,
}
TLS_TROUBLE = {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR}
log = logging.getLogger(__name__)


class Trust:
    """Whom we believe to be the backend, and who we are. The files are read here once, so that a bad one is named.

    Args:
        ca: authority that the backend is verified against; None: the system's.
        client_certificate: PEM file with our own certificate and its key, or None.

    Raises:
        SettingsError: a file is no such PEM file.
    """

    def __init__(self, ca: Path | None, client_certificate: Path | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        system = ssl.get_default_verify_paths()
        if ca is not None:
            try:
                context.load_verify_locations(cafile=ca)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(
                    f"PLANTKEEPER_BACKEND_CA is {str(ca)!r}: not a PEM file of certificates ({error})"
                ) from error
        if client_certificate is not None:
            try:
                context.load_cert_chain(client_certificate)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(
                    f"PLANTKEEPER_BACKEND_CLIENT_CERT is {str(client_certificate)!r}: expected a PEM file with a "
                    f"certificate and its unencrypted key ({error})"
                ) from error
        self.ca_file = str(ca) if ca is not None else system.cafile
        self.ca_folder = None if ca is not None else system.capath
        self.client_certificate = client_certificate


def head_is_complete(lines: Sequence[bytes]) -> bool:
    """Whether an empty line follows the last status line; libcurl is content without."""
    for line in reversed(lines):
        if line in (b"\r\n", b"\n"):
            return True
        if line.startswith(b"HTTP/"):
            return False
    return False


class _Exchange:
    """A request and its answer; used again and again. Lists take the answer in, each header line an element."""

    __slots__ = ("answer", "curl", "head")

    def __init__(self, curl: pycurl.Curl) -> None:
        self.curl = curl
        self.head: list[bytes] = []
        self.answer: list[bytes] = []
        curl.setopt(pycurl.HEADERFUNCTION, self.head.append)
        curl.setopt(pycurl.WRITEFUNCTION, self.answer.append)


class Upstream:
    """The backend. To be made, used and closed within one event loop.

    Args:
        url: https://…, without /api/v1.
        trust: whom to believe.
        token: bearer token, or None.
        timeout_s: longest wait for an answer, all of it: connecting, sending, reading.
        connections: kept at most.
    """

    def __init__(self, url: str, *, trust: Trust, token: str | None, timeout_s: float, connections: int) -> None:
        if not url.startswith("https://"):
            raise SettingsError(f"PLANTKEEPER_BACKEND_URL is {url!r}: expected https://…")
        self._sensors = f"{url.rstrip('/')}/api/v1/sensors/"
        self._trust = trust
        self.timeout_s = timeout_s
        self.certificate_expires_s: float | None = None
        self._headers = ["Content-Type: application/json", "User-Agent: PlantKeeper-Gateway", "Accept:", "Expect:"]
        if token is not None:
            self._headers.append(f"Authorization: Bearer {token}")
        self._transfers = Transfers(connections)
        self._free: list[_Exchange] = []

    def send(self, reading: Waiting, done: Callable[[Outcome], None]) -> None:
        """Send a reading, and call `done` with the outcome within `timeout_s`, whatever happens; never from within.

        A kept connection that turns out to be closed is replaced by another, within the same time (libcurl's doing).
        """
        exchange = self._free.pop() if self._free else _Exchange(self._handle())
        exchange.head.clear()
        exchange.answer.clear()
        curl = exchange.curl
        curl.setopt(pycurl.URL, f"{self._sensors}{reading.device_id}")
        curl.setopt(pycurl.HTTPHEADER, [*self._headers, f"Idempotency-Key: {reading.idempotency_key}"])
        curl.setopt(
            pycurl.POSTFIELDS,
            backend_body(reading.device_id, reading.temperature, reading.humidity, reading.light),
        )
        self._transfers.start(curl, partial(self._ended, exchange, done))

    def close(self) -> None:
        """Close all connections; what is under way is never heard of again."""
        self._transfers.close()

    def _ended(self, exchange: _Exchange, done: Callable[[Outcome], None], error: pycurl.error | None) -> None:
        try:
            outcome = self._failure(*error.args) if error is not None else self._judge(exchange)
        except Exception as bug:  # who is never told waits for ever, and the device's readings with it
            log.exception("the backend's answer")
            outcome = internal_error(bug)
        self._free.append(exchange)
        done(outcome)

    def _judge(self, exchange: _Exchange) -> Outcome:
        """What an answer means."""
        curl = exchange.curl
        if curl.getinfo(pycurl.NUM_CONNECTS):
            self._look_at_certificate(curl)
        if not head_is_complete(exchange.head):
            shown = b"".join(exchange.head)[:ERROR_SHOWN]
            return Retry(f"the backend broke off amid the head of its answer: {shown!r}")
        retry_after_s = curl.getinfo(pycurl.RETRY_AFTER)
        return judge(curl.getinfo(pycurl.RESPONSE_CODE), b"".join(exchange.answer), float(retry_after_s) or None)

    def _handle(self) -> pycurl.Curl:
        """What is the same for all messages: verified, direct, without redirects, cookies, netrc or compression."""
        curl = pycurl.Curl()
        for option, value in (
            (pycurl.CUSTOMREQUEST, "PATCH"),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTPS),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),  # none from the environment either
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.NOSIGNAL, 1),
            (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),  # or later
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.SSL_SESSIONID_CACHE, 0),  # each connection verifies the certificate
            (pycurl.OPT_CERTINFO, 1),
            (pycurl.CONNECTTIMEOUT_MS, round(CONNECT_TIMEOUT_S * 1000)),
            (pycurl.TIMEOUT_MS, round(self.timeout_s * 1000)),
            (pycurl.MAXAGE_CONN, IDLE_S),
            (pycurl.MAXFILESIZE, ANSWER_LIMIT),
        ):
            curl.setopt(option, value)
        if self._trust.ca_file is not None:
            curl.setopt(pycurl.CAINFO, self._trust.ca_file)
        if self._trust.ca_folder is not None:
            curl.setopt(pycurl.CAPATH, self._trust.ca_folder)
        if self._trust.client_certificate is not None:
            curl.setopt(pycurl.SSLCERT, str(self._trust.client_certificate))
            curl.setopt(pycurl.SSLKEY, str(self._trust.client_certificate))
        return curl

    def _failure(self, code: int, words: str) -> Retry:
        """What an error of libcurl means."""
        # names in a certificate are UTF-8, whatever the locale by which pycurl reads them; the database takes no other
        words = words.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Retry(f"the backend did not answer within {self.timeout_s:g} s: {words}")
        if code == pycurl.E_FILESIZE_EXCEEDED:
            return Retry(f"the backend's answer is over {ANSWER_LIMIT} bytes")
        # a peer that hangs up amid the handshake is an unwell one, not a wrong one
        spoke = "SSL routines" in words and "unexpected eof" not in words
        if code in NOT_TRUSTED or (code in TLS_TROUBLE and spoke):
            return Retry(f"the backend's certificate or its TLS is refused: {words}", untrusted=True)
        return Retry(f"the backend cannot be reached, or broke off: {words or f'libcurl error {code}'}")

    def _look_at_certificate(self, curl: pycurl.Curl) -> None:
        """Keep in mind when the backend's certificate ends."""
        chain = curl.getinfo_raw(pycurl.INFO_CERTINFO)  # bytes: extensions may hold text in any encoding
        ends = dict(chain[0]).get(b"Expire date") if chain else None
        if ends is not None:
            self.certificate_expires_s = float(ssl.cert_time_to_seconds(ends.decode()))
