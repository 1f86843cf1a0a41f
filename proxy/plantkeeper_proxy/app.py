"""The gateway as a Flask application: every route, decided elsewhere.

Behind `gateway.py` it answers all but the hot route; by itself it answers that too, by the same rules.
"""

from __future__ import annotations

import time
from typing import Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from plantkeeper_proxy import health, ingest
from plantkeeper_proxy.authenticity import Refused
from plantkeeper_proxy.errors import MessageError, StoreError, TooLargeError, TooOftenError
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.message import BODY_LIMIT
from plantkeeper_proxy.operations import Operations, pages, written
from plantkeeper_proxy.request_id import HEADER as ID_HEADER
from plantkeeper_proxy.request_id import sent_id
from plantkeeper_proxy.status_page import status_page

SHORT = {ingest.PATH, health.PATH}  # named by an id only where the sender gave one: boards get short answers


class Store(Protocol):
    """What the application needs of `store.ReadingStore`."""

    def store(self, submission: ingest.Submission) -> ingest.Outcome:
        """Commit a reading."""

    def check(self) -> str | None:
        """Raise StoreError where readings cannot be taken; else the schema's revision, as far as it is known."""


def create_app(store: Store, door: ingest.Door, operations: Operations | None = None) -> Flask:
    """The application.

    Args:
        store: where readings go; a request is answered 200 only once it returned.
        door: decides which readings are taken.
        operations: what health, metrics and the status page rest on; None: on this process alone.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.merge_slashes = False  # a path is what it is; boards do not follow redirects
    operations = operations or Operations()
    observer = operations.observer
    app.register_blueprint(pages(operations, store))
    app.register_blueprint(status_page(operations))

    @app.before_request
    def begin() -> None:
        g.begun_s = time.perf_counter()
        g.request_id = observer.request_id(request.headers.get(ID_HEADER))

    @app.before_request
    def limit_body() -> None:
        """Whether anybody reads it or not."""
        if (request.content_length or 0) > BODY_LIMIT:
            raise TooLargeError(f"the body is over {BODY_LIMIT} bytes")

    @app.after_request
    def name_request(response: Response) -> Response:
        if request.path not in SHORT or sent_id(request.headers.get(ID_HEADER)):
            response.headers[ID_HEADER] = g.request_id
        return response

    @app.post(ingest.PATH)
    def sensor_data() -> Response:
        admitted = door.admit(_headers(), request.get_data(cache=False), request.remote_addr)
        if isinstance(admitted, Refused):
            return refused_with(ingest.answer_to_refused(admitted), admitted.message)
        outcome = store.store(admitted)
        answer = ingest.answer_to(admitted, outcome)
        if isinstance(outcome, Stored) and answer.reason is None:
            observer.accepted(admitted.reading, outcome, time.perf_counter() - g.begun_s, g.request_id)
            return written(answer)
        return refused_with(answer, ingest.said(answer), device=admitted.reading.device_id)

    def refused_with(answer: ingest.Answer, said: str, *, device: int | None = None) -> Response:
        observer.refused(answer, said, address=request.remote_addr, id_header=g.request_id, device=device)
        return written(answer)

    @app.errorhandler(MessageError)
    @app.errorhandler(TooOftenError)
    @app.errorhandler(StoreError)
    def refused(reason: ingest.Refusal) -> Response:
        return refused_with(ingest.answer_to_error(reason), str(reason))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_reason: RequestEntityTooLarge) -> Response:
        return refused(TooLargeError(f"the body is over {BODY_LIMIT} bytes"))

    @app.errorhandler(HTTPException)
    def other(reason: HTTPException) -> Response:
        said = f"{request.method} {request.path}: {reason.description or reason.name}"
        response = refused_with(ingest.refusal(reason.code or 500, said, "http"), said)
        for name, value in reason.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    return app


def _headers() -> dict[str, str]:
    """The request's, names in lower case, repeated ones joined (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
