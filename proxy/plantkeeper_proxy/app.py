"""The gateway as a Flask application: every route, decided elsewhere.

Behind `gateway.py` it answers all but the hot route; by itself it answers that too, by the same rules.
"""

from __future__ import annotations

import time
from typing import Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from plantkeeper_proxy import health, ingest
from plantkeeper_proxy.errors import MessageError, StoreError, TooLargeError
from plantkeeper_proxy.message import BODY_LIMIT, Reading, parse_reading
from plantkeeper_proxy.operations import Operations, pages, written
from plantkeeper_proxy.request_id import HEADER as ID_HEADER
from plantkeeper_proxy.request_id import sent_id
from plantkeeper_proxy.status_page import status_page

SHORT = {ingest.PATH, health.PATH}  # named by an id only where the sender gave one: boards get short answers


class Store(Protocol):
    """What the application needs of `store.ReadingStore`."""

    def store(self, reading: Reading) -> ingest.Stored:
        """Commit a reading."""

    def check(self) -> None:
        """Raise StoreError where readings cannot be taken."""


def create_app(store: Store, operations: Operations | None = None) -> Flask:
    """The application.

    Args:
        store: where readings go; a request is answered 200 only once it returned.
        operations: what health, metrics and the status page rest on; None: on this process alone.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    operations = operations or Operations()
    observer = operations.observer
    app.register_blueprint(pages(operations, store))
    app.register_blueprint(status_page(operations))

    @app.before_request
    def begin() -> None:
        g.begun_s = time.perf_counter()
        g.request_id = observer.request_id(request.headers.get(ID_HEADER))

    @app.after_request
    def name_request(response: Response) -> Response:
        if request.path not in SHORT or sent_id(request.headers.get(ID_HEADER)):
            response.headers[ID_HEADER] = g.request_id
        return response

    @app.post(ingest.PATH)
    def sensor_data() -> Response:
        reading = parse_reading(request.get_data(cache=False), request.headers.get("Idempotency-Key"))
        stored = store.store(reading)
        answer = ingest.answer_to(reading, stored)
        if answer.reason is None:
            observer.accepted(reading, stored, time.perf_counter() - g.begun_s, g.request_id)
            return written(answer)
        return refused_with(answer, ingest.said(answer), device=reading.device_id)

    def refused_with(answer: ingest.Answer, said: str, *, device: int | None = None) -> Response:
        observer.refused(answer, said, address=request.remote_addr, id_header=g.request_id, device=device)
        return written(answer)

    @app.errorhandler(MessageError)
    @app.errorhandler(StoreError)
    def refused(reason: MessageError | StoreError) -> Response:
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
