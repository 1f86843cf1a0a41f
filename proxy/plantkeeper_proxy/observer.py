"""Counts and logs what became of requests, for the hot route, the Flask application and the HTTP protocol alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from plantkeeper_proxy.counts import Counts
from plantkeeper_proxy.ingest import Answer, Stored
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.refusal_log import RefusalLog
from plantkeeper_proxy.request_id import request_ids, sent_id

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


class Observer:
    """Sees every answer.

    Args:
        counts: where they are counted.
        refusals: where refusals are told.
    """

    def __init__(self, counts: Counts | None = None, refusals: RefusalLog | None = None) -> None:
        self.counts = counts or Counts()
        self.refusals = refusals or RefusalLog()
        self._ids = request_ids()

    def request_id(self, header: str | None) -> str:
        """The id that a request brought along, or a new one."""
        return sent_id(header) or next(self._ids)

    def accepted(self, reading: Reading, stored: Stored, latency_s: float, id_header: str | None) -> None:
        """A reading was answered 200.

        Args:
            latency_s: since the request was whole.
            id_header: its X-Request-Id.
        """
        self.counts.accepted(stored, latency_s)
        if log.isEnabledFor(logging.DEBUG):
            fields = {
                "device": reading.device_id,
                "key": reading.key,
                "status": 200,
                "stored": stored.value,
                "latency_s": round(latency_s, 6),
                "request_id": self.request_id(id_header),
            }
            log.debug("took a reading of device %s", reading.device_id, extra=fields)

    def refused(
        self,
        answer: Answer,
        said: str,
        *,
        address: str | None,
        id_header: str | None = None,
        device: int | None = None,
    ) -> None:
        """A request was refused.

        Args:
            said: why, for the log; the sender may be told less.
            id_header: its X-Request-Id, or the id that it was given.
        """
        reason = answer.reason or "other"
        self.counts.refused(reason)
        self.refusals.say(
            said,
            address=address,
            reason=reason,
            status=answer.status,
            request_id=self.request_id(id_header),
            device=device,
            level=logging.ERROR if answer.status >= 500 else logging.WARNING,
        )

    def counting(
        self, store_batch: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> Callable[[Sequence[T]], Awaitable[Sequence[R]]]:
        """A store's function that counts the sizes of batches as well."""

        def counted(submissions: Sequence[T]) -> Awaitable[Sequence[R]]:
            self.counts.batch(len(submissions))
            return store_batch(submissions)

        return counted
