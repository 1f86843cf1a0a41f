"""Clients that PATCH one reading after the other over kept connections that are verified against a private authority.

Each is a function that makes a `send(sensor_id, body)`; libraries that the project does not depend on are left out
where they are absent.
"""

from __future__ import annotations

import http.client
import importlib.util
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
import urllib3

Send = Callable[[int, bytes], int]
HEADERS = {"Content-Type": "application/json", "User-Agent": "PlantKeeper-Bench"}


def context(ca: Path) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and name verified."""
    made = ssl.create_default_context(cafile=str(ca))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


@contextmanager
def by_requests(port: int, ca: Path) -> Iterator[Send]:
    """A session of requests."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(ca)

        def send(sensor_id: int, body: bytes) -> int:
            url = f"https://localhost:{port}/api/v1/sensors/{sensor_id}"
            answer = session.patch(url, data=body, headers=HEADERS, timeout=10, allow_redirects=False)
            return answer.status_code

        yield send


@contextmanager
def by_urllib3(port: int, ca: Path) -> Iterator[Send]:
    """A pool of urllib3."""
    with closing(
        urllib3.HTTPSConnectionPool("localhost", port, maxsize=1, timeout=10, ssl_context=context(ca))
    ) as pool:

        def send(sensor_id: int, body: bytes) -> int:
            path = f"/api/v1/sensors/{sensor_id}"
            answer = pool.urlopen(
                "PATCH", path, body=body, headers=HEADERS, retries=False, redirect=False, assert_same_host=False
            )
            return int(answer.status)

        yield send


@contextmanager
def by_http_client(port: int, ca: Path) -> Iterator[Send]:
    """A connection of the standard library."""
    with closing(http.client.HTTPSConnection("localhost", port, timeout=10, context=context(ca))) as connection:

        def send(sensor_id: int, body: bytes) -> int:
            connection.request("PATCH", f"/api/v1/sensors/{sensor_id}", body=body, headers=HEADERS)
            with connection.getresponse() as answer:
                answer.read()
                return answer.status

        yield send


@contextmanager
def by_pycurl(port: int, ca: Path) -> Iterator[Send]:
    """A handle of libcurl."""
    pycurl: Any = importlib.import_module("pycurl")
    with closing(pycurl.Curl()) as curl:
        curl.setopt(pycurl.CAINFO, str(ca))
        curl.setopt(pycurl.CUSTOMREQUEST, "PATCH")
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
        curl.setopt(pycurl.TIMEOUT, 10)
        curl.setopt(pycurl.WRITEFUNCTION, len)

        def send(sensor_id: int, body: bytes) -> int:
            curl.setopt(pycurl.URL, f"https://localhost:{port}/api/v1/sensors/{sensor_id}")
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.perform()
            return int(curl.getinfo(pycurl.RESPONSE_CODE))

        yield send


BLOCKING = {"requests": by_requests, "urllib3": by_urllib3, "http.client": by_http_client, "pycurl": by_pycurl}


def present(name: str) -> bool:
    """Whether a client's library is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
