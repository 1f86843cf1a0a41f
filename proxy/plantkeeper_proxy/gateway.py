"""Answers requests: the hot route from here, everything else by the Flask application in a thread.

Why not Flask for all: its dispatch costs ten times what this route does (docs/decisions/0006-ingest.md). The rules are
`ingest.py`'s and `message.py`'s on both ways, and one conformance suite holds both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.test import create_environ, run_wsgi_app

from plantkeeper_proxy import health, ingest
from plantkeeper_proxy.authenticity import Refused
from plantkeeper_proxy.batch import Batcher, Result
from plantkeeper_proxy.errors import MessageError, StoreError, TooOftenError
from plantkeeper_proxy.http_protocol import Request, Respond, Response, response_of
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.observer import Observer
from plantkeeper_proxy.request_id import HEADER as ID_HEADER
from plantkeeper_proxy.request_id import sent_id
from plantkeeper_proxy.trusted_proxies import HEADER as FORWARDED_FOR
from plantkeeper_proxy.trusted_proxies import TrustedProxies

FLASK_THREADS = 2
ID_KEY = ID_HEADER.lower()
FLASK_WAITING = 64  # requests that may wait for a thread; one more is answered 503
# the gateway's own business, or that of the connection to it (RFC 9110 section 7.6.1)
NOT_PASSED_ON = frozenset({"content-length", "connection", "transfer-encoding", "expect", "upgrade"})
NO_PROXIES = TrustedProxies()
TAKEN = response_of(ingest.TAKEN)  # one for all, so that it is encoded once
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = logging.getLogger(__name__)


class Gateway:
    """The handler of all requests.

    Args:
        batcher: stores readings.
        others: the Flask application, for every other request.
        door: decides which readings are taken.
        observer: sees the hot route's answers; the Flask application sees to its own.
        waiting: requests for the application that may wait for a thread.
        trusted_proxies: whose word about a sender's address is taken.
    """

    def __init__(
        self,
        batcher: Batcher,
        others: WSGIApplication,
        door: ingest.Door,
        observer: Observer | None = None,
        *,
        waiting: int = FLASK_WAITING,
        trusted_proxies: TrustedProxies = NO_PROXIES,
    ) -> None:
        self._batcher, self._others, self._door = batcher, others, door
        self._observer, self._trusted_proxies = observer or Observer(), trusted_proxies
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")
        self._most, self._asked = FLASK_THREADS + waiting, 0

    def __call__(self, request: Request, respond: Respond, /) -> None:
        """Answer a request, now or later."""
        if self._trusted_proxies:
            request.address = self._trusted_proxies.sender(request.address, request.headers.get(FORWARDED_FOR))
        if request.method == "POST" and request.target.partition("?")[0] == ingest.PATH:
            self._take(request, respond)
        elif request.method == "GET" and request.target == health.PATH:  # waits for no thread, nor for the database
            respond(_named(response_of(health.ALIVE), request))
        else:
            self._ask(request, respond)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True)

    def _take(self, request: Request, respond: Respond) -> None:
        begun_s = time.perf_counter()

        def done(submission: ingest.Submission, result: Result) -> None:
            if isinstance(result, StoreError):
                self._refuse(request, respond, ingest.answer_to_error(result), str(result))
                return
            answer = ingest.answer_to(submission, result)
            if isinstance(result, Stored) and answer.reason is None:
                respond(_named(TAKEN if answer is ingest.TAKEN else response_of(answer), request))
                latency_s = time.perf_counter() - begun_s
                self._observer.accepted(submission.reading, result, latency_s, request.headers.get(ID_KEY))
            else:
                device_id = submission.reading.device_id
                self._refuse(request, respond, answer, ingest.said(answer), device=device_id)

        try:
            admitted = self._door.admit(request.headers, request.body, request.address)
            if isinstance(admitted, Refused):
                self._refuse(request, respond, ingest.answer_to_refused(admitted), admitted.message)
            else:
                self._batcher.submit(admitted, partial(done, admitted))
        except (MessageError, TooOftenError, StoreError) as error:
            self._refuse(request, respond, ingest.answer_to_error(error), str(error))

    def _refuse(
        self, request: Request, respond: Respond, answer: ingest.Answer, said: str, *, device: int | None = None
    ) -> None:
        id_header = request.headers.get(ID_KEY)
        self._observer.refused(answer, said, address=request.address, id_header=id_header, device=device)
        respond(_named(response_of(answer), request))

    def _ask(self, request: Request, respond: Respond) -> None:
        if self._asked >= self._most:
            respond(response_of(ingest.refusal(503, "too many requests wait", "busy", ingest.RETRY_AFTER_S)))
            return
        self._asked += 1
        loop = asyncio.get_running_loop()

        def answered(asked: Future[Response]) -> None:
            self._asked -= 1
            respond(asked.result())

        asked = self._threads.submit(call_wsgi, self._others, request)
        asked.add_done_callback(lambda asked: loop.call_soon_threadsafe(answered, asked))


def _named(response: Response, request: Request) -> Response:
    """The response, with the request's id where the sender gave it one: boards get short answers."""
    sent = sent_id(request.headers.get(ID_KEY))
    return response if sent is None else replace(response, headers=(*response.headers, (ID_HEADER, sent)))


def call_wsgi(application: WSGIApplication, request: Request) -> Response:
    """Have a WSGI application answer a request; whatever it raises is a 500."""
    path, _, query = request.target.partition("?")
    try:
        environ = create_environ(
            method=request.method,
            # a name with an underscore would look like one with a hyphen there, and could pass for it
            headers=[(k, v) for k, v in request.headers.items() if "_" not in k and k not in NOT_PASSED_ON],
            data=request.body,
            environ_base={"REMOTE_ADDR": request.address},
        )
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")  # PEP 3333: bytes in a string
        environ["QUERY_STRING"], environ["REQUEST_URI"] = query, request.target
        body, status, headers = run_wsgi_app(application, environ, buffered=True)
    except Exception:  # whatever it is, the sender gets an answer
        log.exception("%s %s", request.method, request.target)
        return response_of(ingest.refusal(500, "internal error", "internal"))
    kept = tuple((name, value) for name, value in headers if name.lower() not in {"content-length", "connection"})
    length = headers.get("Content-Length", type=int) if request.method == "HEAD" else None
    return Response(int(status.split()[0]), kept, b"".join(body), length)
