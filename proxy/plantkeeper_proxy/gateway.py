"""Answers requests: the hot route from here, everything else by the Flask application in a thread.

Why not Flask for all: its dispatch costs ten times what this route does (docs/decisions/0006-ingest.md). The rules are
`ingest.py`'s and `message.py`'s on both ways, and one conformance suite holds both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import create_environ, run_wsgi_app

from plantkeeper_proxy import health, ingest
from plantkeeper_proxy.batch import Batcher, Outcome
from plantkeeper_proxy.errors import MessageError, StoreError
from plantkeeper_proxy.http_protocol import Request, Respond, Response, response_of
from plantkeeper_proxy.message import parse_reading
from plantkeeper_proxy.observer import Observer
from plantkeeper_proxy.request_id import HEADER as ID_HEADER
from plantkeeper_proxy.request_id import sent_id

FLASK_THREADS = 2
ID_KEY = ID_HEADER.lower()
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = logging.getLogger(__name__)


class Gateway:
    """The handler of all requests.

    Args:
        batcher: stores readings.
        others: the Flask application, for every other request.
        observer: sees the hot route's answers; the Flask application sees to its own.
    """

    def __init__(self, batcher: Batcher, others: WSGIApplication, observer: Observer | None = None) -> None:
        self._batcher, self._others, self._observer = batcher, others, observer or Observer()
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")

    def __call__(self, request: Request, respond: Respond) -> None:
        """Answer a request, now or later."""
        if request.method == "POST" and request.target == ingest.PATH:
            self._take(request, respond)
        elif request.method == "GET" and request.target == health.PATH:  # waits for no thread, nor for the database
            respond(_named(response_of(health.ALIVE), request))
        else:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, call_wsgi, self._others, request)
            asked.add_done_callback(lambda answered: respond(answered.result()))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True)

    def _take(self, request: Request, respond: Respond) -> None:
        begun_s = time.perf_counter()
        try:
            reading = parse_reading(request.body, request.headers.get("idempotency-key"))

            def done(outcome: Outcome) -> None:
                if isinstance(outcome, StoreError):
                    self._refuse(request, respond, ingest.answer_to_error(outcome), str(outcome))
                    return
                answer = ingest.answer_to(reading, outcome)
                if answer.reason is None:
                    respond(_named(response_of(answer), request))
                    latency_s = time.perf_counter() - begun_s
                    self._observer.accepted(reading, outcome, latency_s, request.headers.get(ID_KEY))
                else:
                    self._refuse(request, respond, answer, ingest.said(answer), device=reading.device_id)

            self._batcher.submit(reading, done)
        except (MessageError, StoreError) as error:
            self._refuse(request, respond, ingest.answer_to_error(error), str(error))

    def _refuse(
        self, request: Request, respond: Respond, answer: ingest.Answer, said: str, *, device: int | None = None
    ) -> None:
        id_header = request.headers.get(ID_KEY)
        self._observer.refused(answer, said, address=request.address, id_header=id_header, device=device)
        respond(_named(response_of(answer), request))


def _named(response: Response, request: Request) -> Response:
    """The response, with the request's id where the sender gave it one: boards get short answers."""
    sent = sent_id(request.headers.get(ID_KEY))
    return response if sent is None else replace(response, headers=(*response.headers, (ID_HEADER, sent)))


def call_wsgi(application: WSGIApplication, request: Request) -> Response:
    """Have a WSGI application answer a request; whatever it raises is a 500."""
    try:
        parts = urlsplit(request.target)
        environ = create_environ(
            path=parts.path or "/",
            query_string=parts.query,
            method=request.method,
            headers=list(request.headers.items()),
            data=request.body,
            environ_base={"REMOTE_ADDR": request.address},
        )
    except ValueError as error:
        return response_of(ingest.refusal(400, f"not a request target: {error}", "http"))
    try:
        body, status, headers = run_wsgi_app(application, environ, buffered=True)
    except Exception:  # whatever it is, the sender gets an answer
        log.exception("%s %s", request.method, request.target)
        return response_of(ingest.refusal(500, "internal error", "internal"))
    kept = tuple((name, value) for name, value in headers if name.lower() not in {"content-length", "connection"})
    return Response(int(status.split()[0]), kept, b"".join(body))
