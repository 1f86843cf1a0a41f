"""Answers requests: the hot route from here, everything else by the Flask application in a thread.

Why not Flask for all: its dispatch costs ten times what this route does (docs/decisions/0006-ingest.md). The rules are
`ingest.py`'s and `message.py`'s on both ways, and one conformance suite holds both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import create_environ, run_wsgi_app

from plantkeeper_proxy import ingest
from plantkeeper_proxy.app import log_outcome, log_refusal
from plantkeeper_proxy.authenticity import Policy, Refused, examine
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.errors import MessageError, StoreError
from plantkeeper_proxy.http_protocol import Request, Respond, Response, response_of
from plantkeeper_proxy.message import parse_reading

FLASK_THREADS = 2
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = logging.getLogger(__name__)


class Gateway:
    """The handler of all requests.

    Args:
        batcher: stores readings.
        policy: who must sign.
        others: the Flask application, for every other request.
    """

    def __init__(self, batcher: Batcher, policy: Policy, others: WSGIApplication) -> None:
        self._batcher, self._policy, self._others = batcher, policy, others
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")

    def __call__(self, request: Request, respond: Respond) -> None:
        """Answer a request, now or later."""
        if request.method == "POST" and request.target == ingest.PATH:
            self._take(request, respond)
        else:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, call_wsgi, self._others, request)
            asked.add_done_callback(lambda answered: respond(answered.result()))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True)

    def _take(self, request: Request, respond: Respond) -> None:
        def refuse(error: MessageError | StoreError) -> None:
            log_refusal(error, request.address)
            respond(response_of(ingest.answer_to_error(error)))

        def done(outcome: ingest.Outcome | StoreError) -> None:
            if isinstance(outcome, StoreError):
                refuse(outcome)
            else:
                log_outcome(outcome, request.address)
                respond(response_of(ingest.answer_to(reading, outcome)))

        try:
            reading = parse_reading(request.body, request.headers.get("idempotency-key"))
            claim = examine(
                self._policy,
                reading,
                method=request.method,
                path=ingest.PATH,
                headers=request.headers,
                body=request.body,
            )
            if isinstance(claim, Refused):
                done(claim)
            else:
                self._batcher.submit(ingest.Submission(reading, claim), done)
        except (MessageError, StoreError) as error:
            refuse(error)


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
