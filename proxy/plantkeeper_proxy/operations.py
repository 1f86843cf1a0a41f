"""What whoever runs a gateway looks at: `/healthz`, `/readyz`, `/metrics`, `/openapi.json`; and what they rest on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Response, g, has_request_context

from plantkeeper_proxy import health, ingest, metrics, openapi
from plantkeeper_proxy.facts import Checked, Facts, FactsReader, checked
from plantkeeper_proxy.health import Limits, judge
from plantkeeper_proxy.observer import Observer
from plantkeeper_proxy.schema import REVISION


@dataclass(frozen=True)
class Operations:
    """What the pages rest on.

    Args:
        observer: counts and logs.
        reader: asks the database; None: only whether readings can be taken is asked, of the application's own store.
        limits: from where on something is worth an alarm.
        status_token: opens the status page; None: there is none.
        open_connections: how many there are.
        epoch_s: clock.
    """

    observer: Observer = field(default_factory=Observer)
    reader: FactsReader | None = None
    limits: Limits = Limits(REVISION)  # noqa: RUF009 - frozen
    status_token: str | None = field(default=None, repr=False)
    open_connections: Callable[[], int] = lambda: 0
    epoch_s: Callable[[], float] = time.time

    def facts(self) -> Facts:
        """How things are; without a reader nothing is known."""
        return Facts() if self.reader is None else self.reader.read()

    @staticmethod
    def request_id() -> str | None:
        """The id of the request that is being answered."""
        return str(g.request_id) if has_request_context() and "request_id" in g else None


def pages(operations: Operations, store: Checked) -> Blueprint:
    """The routes.

    Args:
        store: the application's own, asked where there is no reader.
    """
    blueprint = Blueprint("operations", __name__)
    registry = metrics.registry_of(
        metrics.GatewayCollector(
            operations.observer.counts.totals,
            operations.open_connections,
            None if operations.reader is None else operations.reader.read,
        )
    )
    described = openapi.body()

    @blueprint.get(health.PATH)
    def healthz() -> Response:
        return written(health.ALIVE)

    @blueprint.get("/readyz")
    def readyz() -> Response:
        facts = operations.facts() if operations.reader is not None else checked(store)
        verdict = judge(facts, operations.limits, epoch_s=operations.epoch_s())
        return written(ingest.Answer(verdict.http_status, verdict.body()))

    @blueprint.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(registry), content_type=metrics.CONTENT_TYPE)

    @blueprint.get("/openapi.json")
    def description() -> Response:
        return Response(described, content_type="application/json")

    return blueprint


def written(answer: ingest.Answer) -> Response:
    """An answer as Flask's response."""
    response = Response(answer.body, answer.status, content_type="application/json")
    if answer.retry_after_s is not None:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response
