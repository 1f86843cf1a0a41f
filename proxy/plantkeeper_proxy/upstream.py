"""One reading to the backend over verified HTTPS, over kept connections. Only sends; `delivery.judge` judges.

Over libcurl: why not requests or urllib3, docs/decisions/0007-forwarding.md.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import pycurl

from plantkeeper_proxy.delivery import ERROR_SHOWN, Outcome, Retry, Waiting, judge
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.message import backend_body

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
        self._transfers = pycurl.AsyncCurlMulti()
        self._transfers.setopt(pycurl.M_MAXCONNECTS, connections)
        self._free: list[pycurl.Curl] = []

    async def send(self, reading: Waiting) -> Outcome:
        """Send a reading and wait for the answer, at most `timeout_s`; whatever happens is an outcome.

        A kept connection that turns out to be closed is replaced by another, within the same time (libcurl's doing).
        """
        curl = self._free.pop() if self._free else self._handle()
        head: list[bytes] = []
        answer: list[bytes] = []
        curl.setopt(pycurl.URL, f"{self._sensors}{reading.device_id}")
        curl.setopt(pycurl.HTTPHEADER, [*self._headers, f"Idempotency-Key: {reading.idempotency_key}"])
        curl.setopt(
            pycurl.POSTFIELDS,
            backend_body(reading.device_id, reading.temperature, reading.humidity, reading.light),
        )
        curl.setopt(pycurl.HEADERFUNCTION, head.append)
        curl.setopt(pycurl.WRITEFUNCTION, answer.append)
        try:
            await self._transfers.perform(curl)
        except pycurl.error as error:
            self._free.append(curl)
            return self._failure(*error.args)
        if curl.getinfo(pycurl.NUM_CONNECTS):
            self._look_at_certificate(curl)
        status, retry_after_s = curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.RETRY_AFTER)
        self._free.append(curl)
        if not head_is_complete(head):
            return Retry(f"the backend broke off amid the head of its answer: {b''.join(head)[:ERROR_SHOWN]!r}")
        return judge(status, b"".join(answer), float(retry_after_s) or None)

    async def close(self) -> None:
        """Close all connections."""
        await self._transfers.aclose()

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
        chain = curl.getinfo(pycurl.INFO_CERTINFO)
        ends = dict(chain[0]).get("Expire date") if chain else None
        if ends is not None:
            self.certificate_expires_s = float(ssl.cert_time_to_seconds(ends))
