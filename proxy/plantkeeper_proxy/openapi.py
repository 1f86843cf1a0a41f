"""The OpenAPI 3.1 description of every route, as data; tests hold the real process to it."""

from __future__ import annotations

import json
from typing import Any

from plantkeeper_proxy.message import MAX_AGE_S, MAX_ID, RANGES

VERSION = "0.1.0"
JSON, HTML, FORM, TEXT = "application/json", "text/html", "application/x-www-form-urlencoded", "text/plain"
Data = dict[str, Any]


def _ref(kind: str, name: str) -> Data:
    return {"$ref": f"#/components/{kind}/{name}"}


def _answer(about: str, schema: Data, content_type: str = JSON, headers: Data | None = None) -> Data:
    answer: Data = {"description": about, "content": {content_type: {"schema": schema}}}
    if headers:
        answer["headers"] = headers
    return answer


def _object(properties: Data, required: list[str] | None = None) -> Data:
    needed = sorted(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _measured(name: str, about: str) -> Data:
    low, high = RANGES[name]
    return {"type": ["number", "null"], "minimum": low, "maximum": high, "description": about}


NUMBER = {"type": "number", "minimum": 0}
COUNT = {"type": "integer", "minimum": 0}
STRING = {"type": "string"}
TEXTS = {"type": "array", "items": STRING}
NAMED_TEXTS = {"type": "object", "additionalProperties": STRING}
MAYBE_STRING = {"type": ["string", "null"]}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait (RFC 9110 section 10.2.3)", "schema": COUNT, "required": True}
}

SCHEMAS: Data = {
    "Reading": {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": MAX_ID, "description": "The device's number"},
            "temperature": _measured("temperature", "°C"),
            "humidity": _measured("humidity", "Soil moisture in %; boards in the field do not clamp it"),
            "light": _measured("light", "0 dark … 2000 bright"),
            "age_s": {
                "type": ["integer", "null"], "minimum": 0, "maximum": MAX_AGE_S,
                "description": "Seconds that the reading waited on the board",
            },
        },
        "additionalProperties": True,
        "description": "A missing value counts as null; unknown fields are ignored; no field may be given twice.",
    },
    "Stored": _object({"message": {"const": "stored"}}),
    "Error": _object({"error": {"type": "string", "minLength": 1}}),
    "Alive": _object({"status": {"const": "ok"}}),
    "Health": _object(
        {
            "status": {"enum": ["ready", "degraded", "not ready"]},
            "alarms": TEXTS,
            "database": {"enum": ["up", "down"]},
            "schema": _object({"wanted": STRING, "found": MAYBE_STRING}),
            "reason": STRING,
            "backlog": _object({"readings": COUNT, "oldest_age_s": NUMBER}),
            "dead_letters": COUNT,
            "certificate": _object({"state": {"type": "string", "pattern": "^(ok$|unknown$|refused: )"},
                                    "expires_at": MAYBE_STRING}),
            "forwarders": {
                "type": "array",
                "items": _object({"name": STRING, "silent_s": NUMBER, "alarms": NAMED_TEXTS}),
            },
        },
        ["status", "alarms", "database", "schema"],
    ),
}  # fmt: skip

ERROR = _ref("schemas", "Error")
RESPONSES: Data = {
    "Invalid": _answer("Not such a request: says which field, its value, and what is accepted. Final", ERROR),
    "Unsigned": _answer("The device must sign its readings, or the signature is not good", ERROR),
    "Forbidden": _answer("The key is not this device's, is revoked, or the message was seen before", ERROR),
    "NoRoute": _answer("There is no such route", ERROR),
    "NoMethod": _answer("The route does not take this method", ERROR),
    "Slow": _answer("The request was not whole in time", ERROR),
    "TooLarge": _answer("The body is over 4096 bytes. Final", ERROR),
    "KeyReused": _answer("The device used this Idempotency-Key for another reading. Final", ERROR),
    "TooMany": _answer("The device, or its address, sends more than it may", ERROR, headers=RETRY_AFTER),
    "HeadTooLarge": _answer("The request's head is over 8192 bytes", ERROR),
    "NotStored": _answer("The reading was not stored, or too many boards are connected: send it again", ERROR,
                         headers=RETRY_AFTER),
    "TooManyConnections": _answer("Too many boards are connected", ERROR, headers=RETRY_AFTER),
    "Form": _answer("Not signed in: the form to do so", STRING, HTML),
    "NoPage": _answer("There is no status page: its token is not set", ERROR),
}  # fmt: skip

# what the HTTP protocol answers before any route sees the request
EVERYWHERE = {
    "400": "Invalid", "408": "Slow", "413": "TooLarge", "429": "TooMany", "431": "HeadTooLarge",
    "503": "TooManyConnections",
}  # fmt: skip
REQUEST_ID = {
    "name": "X-Request-Id", "in": "header", "required": False, "schema": STRING,
    "description": "1–64 letters, digits, `.`, `_`, `-`: names the request in the log and comes back. "
    "Another is as none.",
}  # fmt: skip


def _header(name: str, about: str, schema: Data) -> Data:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": about}


def _operation(operation_id: str, summary: str, answers: Data, **more: Any) -> Data:
    shared = {status: _ref("responses", name) for status, name in EVERYWHERE.items() if status not in answers}
    parameters = [*more.pop("parameters", []), REQUEST_ID]
    responses = dict(sorted({**shared, **answers}.items()))
    return {"operationId": operation_id, "summary": summary, "parameters": parameters, "responses": responses, **more}


def _form(properties: Data) -> Data:
    return {"required": True, "content": {FORM: {"schema": {"type": "object", "properties": properties}}}}


PATHS: Data = {
    "/sensor-data": {
        "post": _operation(
            "storeReading",
            "Store a reading; 200 once it is committed",
            {
                "200": _answer("Stored, now or before", _ref("schemas", "Stored")),
                "401": _ref("responses", "Unsigned"),
                "403": _ref("responses", "Forbidden"),
                "422": _ref("responses", "KeyReused"),
                "503": _ref("responses", "NotStored"),
            },
            parameters=[
                _header(
                    "Idempotency-Key",
                    'A string in quotes, such as `"3-42"`: 1 to 64 printable ASCII characters (RFC 9651 section 3.3.3)',
                    {"type": "string", "pattern": r'^"([ !#-\[\]-~]|\\["\\]){1,64}"$'},
                ),
                _header("Content-Digest", "Digest of the body (RFC 9530), covered by the signature", STRING),
                _header("Signature-Input", "What is signed, how and by which key (RFC 9421)", STRING),
                _header("Signature", "The signature (RFC 9421, `hmac-sha256`)", STRING),
            ],
            requestBody={"required": True, "content": {JSON: {"schema": _ref("schemas", "Reading")}}},
        )
    },
    "/healthz": {
        "get": _operation(
            "alive", "Whether the process runs", {"200": _answer("It does", _ref("schemas", "Alive"))}
        )
    },
    "/readyz": {
        "get": _operation(
            "health",
            "Whether readings can be taken, and what else is wrong",
            {
                "200": _answer("They can; `degraded` where something needs care", _ref("schemas", "Health")),
                "503": _answer(
                    "They cannot; or, as an error, too many boards are connected",
                    {"anyOf": [_ref("schemas", "Health"), ERROR]},
                ),
            },
        )
    },
    "/metrics": {
        "get": _operation("metrics", "Prometheus metrics", {"200": _answer("All of them", STRING, TEXT)})
    },
    "/openapi.json": {
        "get": _operation("description", "This description", {"200": _answer("OpenAPI 3.1", {"type": "object"})})
    },
    "/": {
        "get": _operation(
            "statusPage",
            "The status page",
            {
                "200": _answer("The page", STRING, HTML),
                "401": _ref("responses", "Form"),
                "404": _ref("responses", "NoPage"),
            },
            parameters=[
                {"name": "from", "in": "query", "schema": {"type": "integer"}, "description": "Least device id shown"},
                {
                    "name": "show", "in": "query", "description": "The quantity that is drawn",
                    "schema": {"enum": ["humidity", "temperature", "light"]},
                },
            ],
            security=[{"token": []}, {"session": []}],
        )
    },
    "/login": {
        "post": _operation(
            "signIn",
            "Sign in to the status page",
            {
                "303": {"description": "Signed in: to `/`, with the cookie"},
                "401": _ref("responses", "Form"),
                "404": _ref("responses", "NoPage"),
            },
            requestBody=_form({"token": STRING}),
        )
    },
    "/logout": {
        "post": _operation(
            "signOut",
            "Sign out of the status page",
            {"303": {"description": "Signed out: to `/`"}, "404": _ref("responses", "NoPage")},
        )
    },
}  # fmt: skip


def document() -> Data:
    """The description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PlantKeeper gateway",
            "version": VERSION,
            "description": "Takes readings of boards over plain HTTP and answers 200 once they are committed. Other "
            "methods are answered 405, other paths 404, both as an Error.",
        },
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "responses": RESPONSES,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "plantkeeper_status"},
            },
        },
    }


def body() -> bytes:
    """The description as JSON."""
    return json.dumps(document(), ensure_ascii=False).encode()
