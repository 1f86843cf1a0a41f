"""HTTP in and out for boards and for whoever watches the gateway; everything is decided elsewhere.

Boards compare header names case-sensitively and cannot read chunked answers: every answer here has a body and
with it `Content-Length`, in exactly that case.
"""

from __future__ import annotations

import logging
from typing import Protocol

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from plantkeeper_proxy.errors import MessageError, StoreError, TooLargeError
from plantkeeper_proxy.message import BODY_LIMIT, Reading, parse_reading
from plantkeeper_proxy.store import Stored

RETRY_AFTER_S = 5
log = logging.getLogger(__name__)


class Store(Protocol):
    """What the application needs of `store.ReadingStore`."""

    def store(self, reading: Reading) -> Stored:
        """Commit a reading."""

    def check(self) -> None:
        """Raise StoreError where readings cannot be taken."""


def create_app(store: Store) -> Flask:
    """The application.

    Args:
        store: where readings go; a request is answered 200 only once it returned.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT

    @app.post("/sensor-data")
    def sensor_data() -> Response:
        reading = parse_reading(request.get_data(cache=False), request.headers.get("Idempotency-Key"))
        stored = store.store(reading)
        if stored is Stored.KEY_REUSED:
            return error(
                422, f'Idempotency-Key "{reading.key}" was used by device {reading.device_id} for another reading'
            )
        return answer(200, {"message": "stored"})

    @app.get("/healthz")
    def healthz() -> Response:
        return answer(200, {"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            store.check()
        except StoreError as reason:
            return answer(503, {"status": "not ready", "reason": str(reason)})
        return answer(200, {"status": "ready"})

    @app.errorhandler(MessageError)
    def refused(reason: MessageError) -> Response:
        log.warning("refused a request from %s: %s", request.remote_addr, reason)
        return error(413 if isinstance(reason, TooLargeError) else 400, str(reason))

    @app.errorhandler(StoreError)
    def not_stored(reason: StoreError) -> Response:
        log.error("a reading was not stored: %s", reason)
        response = error(503, "the reading was not stored; send it again")
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_reason: RequestEntityTooLarge) -> Response:
        return error(413, f"the body is over {BODY_LIMIT} bytes")

    @app.errorhandler(HTTPException)
    def other(reason: HTTPException) -> Response:
        response = error(reason.code or 500, f"{request.method} {request.path}: {reason.description or reason.name}")
        for name, value in reason.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    return app


def answer(status: int, body: dict[str, str]) -> Response:
    """A JSON answer."""
    response = jsonify(body)
    response.status_code = status
    return response


def error(status: int, message: str) -> Response:
    """A JSON answer that says what is wrong."""
    return answer(status, {"error": message})
