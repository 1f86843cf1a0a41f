"""The status page: devices, what waits, what is wrong. Read-only, behind a token, rendered here, without scripts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from plantkeeper_proxy import ingest
from plantkeeper_proxy.database import Row
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.facts import Facts
from plantkeeper_proxy.health import Health, certificate, judge, present, several
from plantkeeper_proxy.message import MAX_ID
from plantkeeper_proxy.operations import Operations, written
from plantkeeper_proxy.sparkline import HEIGHT, WIDTH, Sparkline, sparkline
from plantkeeper_proxy.status_session import COOKIE, SESSION_S, bearer_of, is_session, is_token, session

PAGE_DEVICES = 50
WAITING_SHOWN = 1_000  # as the query counts
QUANTITIES = {
    "humidity": ("soil moisture", "%"),
    "temperature": ("temperature", "°C"),
    "light": ("light", ""),
}
OFF = ingest.refusal(
    404, "there is no status page; set PLANTKEEPER_STATUS_TOKEN, or PLANTKEEPER_STATUS_TOKEN_FILE, to have one", "http"
)
WRONG_TOKEN = ingest.refusal(401, "this is not the token", "status_token")


@dataclass(frozen=True)
class Device:
    """A row of the page.

    Args:
        measured_age_s, received_age_s: since the last reading; None where there is none.
        waiting: readings that the backend does not have yet, counted up to 1000.
        attempts: that failed for the oldest of them.
        error: of the last attempt, or of the newest dead letter.
        dead: readings that the backend refused for good.
        history: of the quantity that is shown.
    """

    device_id: int
    temperature: float | None
    humidity: float | None
    light: float | None
    measured_age_s: float | None
    received_age_s: float | None
    waiting: int
    attempts: int
    error: str | None
    dead: int
    history: Sparkline | None

    @classmethod
    def of(cls, row: Row) -> Device:
        """A row of the query `status_devices`."""
        device_id, temperature, humidity, light, measured_s, received_s = row[:6]
        waiting, attempts, lane_error, dead, dead_error, quarters, amounts = row[6:]
        error = lane_error if attempts else dead_error
        history = sparkline(quarters or (), amounts or ())
        return cls(
            device_id, temperature, humidity, light, measured_s, received_s, waiting, attempts or 0, error, dead or 0,
            history,
        )  # fmt: skip


def status_page(operations: Operations) -> Blueprint:
    """The routes `/`, `/login` and `/logout`."""
    page = Blueprint("status_page", __name__)

    @page.get("/")
    def show() -> BaseResponse:
        token = operations.status_token
        if token is None:
            return written(OFF)
        given = bearer_of(request.headers.get("Authorization"))
        if given is not None and not is_token(given, token):
            return refused("The token in the Authorization header is another.")
        if given is None and not is_session(request.cookies.get(COOKIE), token, epoch_s=operations.epoch_s()):
            return login_form(None)
        first, show_ = _first(request.args.get("from")), request.args.get("show", "")
        return html("status.html", page_values(operations, first, show_))

    @page.post("/login")
    def login() -> BaseResponse:
        token = operations.status_token
        if token is None:
            return written(OFF)
        if not is_token(request.form.get("token", ""), token):
            return refused("This is not the token.")
        response = redirect("/", 303)
        response.set_cookie(
            COOKIE, session(token, epoch_s=operations.epoch_s()), max_age=SESSION_S, httponly=True, samesite="Strict",
            secure=request.is_secure,
        )  # fmt: skip
        return response

    @page.post("/logout")
    def logout() -> BaseResponse:
        if operations.status_token is None:
            return written(OFF)
        response = redirect("/", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)
        return response

    def refused(said: str) -> Response:
        operations.observer.refused(
            WRONG_TOKEN, "wrong token for the status page", address=request.remote_addr,
            id_header=operations.request_id(),
        )  # fmt: skip
        return login_form(said)

    def login_form(said: str | None) -> Response:
        response = html("login.html", {"said": said}, 401)
        response.headers["WWW-Authenticate"] = 'Bearer realm="PlantKeeper status"'
        return response

    return page


def html(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page that may load and run nothing, whatever got into it."""
    nonce = secrets.token_urlsafe(12)
    response = make_response(render_template(template, nonce=nonce, **values), status)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def page_values(operations: Operations, first: int, show: str) -> dict[str, Any]:
    """What the page shows.

    Args:
        first: least device id that is shown.
        show: the quantity that is drawn; soil moisture where it is none.
    """
    quantity = show if show in QUANTITIES else "humidity"
    facts, now_s = operations.facts(), operations.epoch_s()
    health = judge(facts, operations.limits, epoch_s=now_s)
    devices, alarms = _devices(operations, facts, first, quantity)
    figures = facts.figures
    there = present(figures.forwarders, operations.limits.forwarder_silent_s) if figures is not None else []
    return {
        "now": datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "health": Health(health.status, [*health.alarms, *alarms], health.facts),
        "figures": figures,
        "forwarders": there,
        "certificate": certificate(there),
        "devices": devices[:PAGE_DEVICES],
        "first": first,
        "next_first": devices[PAGE_DEVICES].device_id if len(devices) > PAGE_DEVICES else None,
        "waiting_shown": WAITING_SHOWN,
        "quantity": quantity,
        "quantities": QUANTITIES,
        "width": WIDTH,
        "height": HEIGHT,
        "age": age,
        "number": number,
        "several": several,
    }


def _devices(operations: Operations, facts: Facts, first: int, quantity: str) -> tuple[Sequence[Device], Sequence[str]]:
    if operations.reader is None or facts.error is not None:
        return (), ()
    try:
        rows = operations.reader.query(
            "status_devices", {"first": first, "limit": PAGE_DEVICES + 1, "quantity": quantity}
        )
    except StoreError as error:
        return (), [f"The devices could not be read: {error}."]
    return [Device.of(row) for row in rows], ()


def _first(text: str | None) -> int:
    """The id that a page starts from; 1 where it makes no sense."""
    text = (text or "").strip()
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 1
    return max(1, min(value, MAX_ID))


def age(seconds: float | None) -> str:
    """A duration for people."""
    if seconds is None:
        return "–"
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def number(value: float | None) -> str:
    """A measured value for people, to a tenth at most."""
    return "–" if value is None else f"{round(value, 1):g}"
