"""The gateway as a Flask application: every route, decided elsewhere.

Behind `gateway.py` it answers all but the hot route; by itself it answers that too, by the same rules.
"""

from __future__ import annotations

import logging
from typing import Protocol

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from plantkeeper_proxy import ingest
from plantkeeper_proxy.authenticity import Refused
from plantkeeper_proxy.errors import MessageError, StoreError, TooLargeError, TooOftenError
from plantkeeper_proxy.message import BODY_LIMIT

log = logging.getLogger(__name__)


class Store(Protocol):
    """What the application needs of `store.ReadingStore`."""

    def store(self, submission: ingest.Submission) -> ingest.Outcome:
        """Commit a reading."""

    def check(self) -> None:
        """Raise StoreError where readings cannot be taken."""


def create_app(store: Store, door: ingest.Door) -> Flask:
    """The application.

    Args:
        store: where readings go; a request is answered 200 only once it returned.
        door: decides which readings are taken.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.merge_slashes = False  # a path is what it is; boards do not follow redirects

    @app.before_request
    def limit_body() -> None:
        """Whether anybody reads it or not."""
        if (request.content_length or 0) > BODY_LIMIT:
            raise TooLargeError(f"the body is over {BODY_LIMIT} bytes")

    @app.post(ingest.PATH)
    def sensor_data() -> Response:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        admitted = door.admit(headers, request.get_data(cache=False), request.remote_addr)
        if isinstance(admitted, Refused):
            log_refused(admitted, request.remote_addr)
            return written(ingest.answer_to_refused(admitted))
        outcome = store.store(admitted)
        if isinstance(outcome, Refused):
            log_refused(outcome, request.remote_addr)
        return written(ingest.answer_to(admitted, outcome))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            store.check()
        except StoreError as reason:
            return jsonify(status="not ready", reason=str(reason)), 503
        return jsonify(status="ready"), 200

    @app.errorhandler(MessageError)
    @app.errorhandler(TooOftenError)
    @app.errorhandler(StoreError)
    def refused(reason: ingest.Refusal) -> Response:
        log_refusal(reason, request.remote_addr)
        return written(ingest.answer_to_error(reason))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_reason: RequestEntityTooLarge) -> Response:
        return refused(TooLargeError(f"the body is over {BODY_LIMIT} bytes"))

    @app.errorhandler(HTTPException)
    def other(reason: HTTPException) -> Response:
        said = f"{request.method} {request.path}: {reason.description or reason.name}"
        response = written(ingest.refusal(reason.code or 500, said, "http"))
        for name, value in reason.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    return app


def written(answer: ingest.Answer) -> Response:
    """An answer as Flask's response."""
    response = Response(answer.body, answer.status, content_type="application/json")
    if answer.retry_after_s is not None:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response


def log_refusal(reason: ingest.Refusal, address: str | None) -> None:
    """Say in the log what a board was refused, and why."""
    if isinstance(reason, MessageError | TooOftenError):
        log.warning("refused a request from %s: %s", address, reason)
    else:
        log.error("a reading from %s was not stored: %s", address, reason)


def log_refused(refused: Refused, address: str | None) -> None:
    """Say in the log that a board was refused for who it is."""
    log.warning("refused a request from %s: %s: %s", address, refused.reason, refused.message)
