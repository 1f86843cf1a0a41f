"""The gateway as a Flask application: every route, decided elsewhere.

Behind `asgi.py` it answers all but the hot route; by itself it answers that too, by the same rules.
"""

from __future__ import annotations

import logging
from typing import Protocol

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from plantkeeper_proxy import ingest
from plantkeeper_proxy.authenticity import Policy, Refused, examine
from plantkeeper_proxy.errors import MessageError, StoreError, TooLargeError
from plantkeeper_proxy.message import BODY_LIMIT, parse_reading

log = logging.getLogger(__name__)


class Store(Protocol):
    """What the application needs of `store.ReadingStore`."""

    def store(self, submission: ingest.Submission) -> ingest.Outcome:
        """Commit a reading."""

    def check(self) -> None:
        """Raise StoreError where readings cannot be taken."""


def create_app(store: Store, policy: Policy) -> Flask:
    """The application.

    Args:
        store: where readings go; a request is answered 200 only once it returned.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT

    @app.post(ingest.PATH)
    def sensor_data() -> Response:
        body = request.get_data(cache=False)
        headers = {name.lower(): value for name, value in request.headers.items()}
        reading = parse_reading(body, headers.get("idempotency-key"))
        claim = examine(policy, reading, method=request.method, path=request.path, headers=headers, body=body)
        outcome = claim if isinstance(claim, Refused) else store.store(ingest.Submission(reading, claim))
        log_outcome(outcome, request.remote_addr)
        return written(ingest.answer_to(reading, outcome))

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
    @app.errorhandler(StoreError)
    def refused(reason: MessageError | StoreError) -> Response:
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


def log_refusal(reason: MessageError | StoreError, address: str | None) -> None:
    """Say in the log what a board was refused, and why."""
    if isinstance(reason, MessageError):
        log.warning("refused a request from %s: %s", address, reason)
    else:
        log.error("a reading from %s was not stored: %s", address, reason)


def log_outcome(outcome: ingest.Outcome, address: str | None) -> None:
    """Say in the log that a board was refused for who it is."""
    if isinstance(outcome, Refused):
        log.warning("refused a request from %s: %s: %s", address, outcome.reason, outcome.message)
