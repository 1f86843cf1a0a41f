"""Lets many requests share one transaction: what comes while one batch is committed makes the next.

A lone reading is committed at once; under load, batches grow by themselves and the cost of a commit is shared. After a
batch that was shared the next begins at least 2 ms later, so that at middling loads, too, a commit is shared by a few
(docs/decisions/0010-commits.md).
Whatever the store does, each reading gets one answer, and gets it in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from plantkeeper_proxy.errors import OverloadedError, StoreError
from plantkeeper_proxy.ingest import Outcome, Submission

BATCH_LIMIT = 500
WAITING_LIMIT = 5_000
PATIENCE_S = 5.0
SPACING_S = 0.002
SWEEP_EVERY_S = 0.25
ENDED = "the gateway ended; nobody knows whether it is stored"
Result = Outcome | StoreError
Done = Callable[[Result], None]
log = logging.getLogger(__name__)


class _Entry:
    """A reading that is owed an answer."""

    __slots__ = ("_done", "due_s", "submission")

    def __init__(self, submission: Submission, done: Done, due_s: float) -> None:
        self.submission, self.due_s = submission, due_s
        self._done: Done | None = done

    def tell(self, outcome: Result) -> None:
        """Answer it, unless it was answered before; no sender's trouble is another's."""
        done, self._done = self._done, None
        if done is not None:
            try:
                done(outcome)
            except Exception:
                log.exception("the answer to a reading of device %d", self.submission.reading.device_id)


class Batcher:
    """Hands readings to a store in batches, one batch at a time. To be used within one event loop.

    Args:
        store_batch: commits a batch and says for each reading what became of it.
        batch_limit: most readings in a batch.
        waiting_limit: most readings that wait; one more is refused.
        spacing_s: from the beginning of a batch of several to the next one's, at least, unless a whole batch waits.
        patience_s: after so long a reading's sender is told that it was not stored, or that nobody knows, where
            PostgreSQL has it already and does not answer.
    """

    def __init__(
        self,
        store_batch: Callable[[Sequence[Submission]], Awaitable[Sequence[Result]]],
        *,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        patience_s: float = PATIENCE_S,
        spacing_s: float = SPACING_S,
    ) -> None:
        self._store_batch = store_batch
        self._batch_limit, self._waiting_limit, self._patience_s = batch_limit, waiting_limit, patience_s
        self._spacing_s, self._begun_s, self._shared = spacing_s, float("-inf"), False
        self._waiting: deque[_Entry] = deque()
        self._sent: Sequence[_Entry] = ()
        self._next: asyncio.Handle | None = None  # begins the next batch
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None  # somebody waits for nothing to be left

    def submit(self, submission: Submission, done: Done) -> None:
        """Have a reading committed; `done(outcome)` is called in the event loop once that is decided.

        Raises:
            OverloadedError: too many wait already; it was not taken.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise OverloadedError(f"{len(self._waiting)} readings wait to be stored")
        self._waiting.append(_Entry(submission, done, self._loop.time() + self._patience_s))
        if self._next is None and not self._sent:
            pause_s = self._pause_s()
            later = self._loop.call_later(pause_s, self._begin) if pause_s > 0 else self._loop.call_soon(self._begin)
            self._next = later  # what has come by then shares the batch
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_EVERY_S, self._sweep)

    async def close(self) -> None:
        """Commit what waits."""
        try:
            while self._sent or self._waiting:
                self._idle = self._loop.create_future()
                await self._idle
        except BaseException:  # cancelled: the gateway ends
            owed = (*self._sent, *self._waiting)
            self._sent = ()
            self._waiting.clear()
            for entry in owed:
                entry.tell(StoreError(ENDED))
            raise
        finally:
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None

    def _pause_s(self) -> float:
        """How long the next batch has to keep its distance."""
        if not self._shared or len(self._waiting) >= self._batch_limit:
            return 0.0
        return self._begun_s + self._spacing_s - self._loop.time()

    def _begin(self) -> None:
        """Have the next batch committed."""
        self._next = None
        if not self._waiting:  # they were told that it takes too long
            self._rest()
            return
        self._begun_s = self._loop.time()
        self._shared = len(self._waiting) > 1
        sent = self._sent = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_limit))]
        stored: asyncio.Future[Sequence[Result]]
        try:
            stored = asyncio.ensure_future(self._store_batch([entry.submission for entry in sent]))
        except Exception as bug:
            stored = self._loop.create_future()
            stored.set_exception(bug)
        stored.add_done_callback(partial(self._stored, sent))

    def _stored(self, sent: Sequence[_Entry], stored: asyncio.Future[Sequence[Result]]) -> None:
        """Go on with the next batch, and answer this one: PostgreSQL works while answers are written."""
        outcomes = _outcomes(stored, len(sent))
        self._sent = ()
        if self._waiting:
            pause_s = self._pause_s()
            if pause_s > 0:
                self._next = self._loop.call_later(pause_s, self._begin)
            else:
                self._begin()
        for entry, outcome in zip(sent, outcomes, strict=True):
            entry.tell(outcome)  # a sender may submit its next reading at that
        self._rest()

    def _rest(self) -> None:
        """Let whoever waits for the end know, if it has come."""
        if self._idle is not None and not self._sent and not self._waiting and not self._idle.done():
            self._idle.set_result(None)

    def _sweep(self) -> None:
        """Tell those that have waited too long."""
        now_s = self._loop.time()
        while self._waiting and self._waiting[0].due_s <= now_s:
            self._waiting.popleft().tell(StoreError(f"PostgreSQL did not come to it within {self._patience_s:g} s"))
        for entry in self._sent:
            if entry.due_s > now_s:
                break
            said = f"PostgreSQL did not answer within {self._patience_s:g} s; nobody knows whether it is stored"
            entry.tell(StoreError(said))
        self._sweeper = self._loop.call_later(SWEEP_EVERY_S, self._sweep) if self._sent or self._waiting else None


def _outcomes(stored: asyncio.Future[Sequence[Result]], count: int) -> Sequence[Result]:
    """What became of a batch; a bug in the store leaves nobody without an answer."""
    if stored.cancelled():
        return [StoreError(ENDED)] * count
    if (bug := stored.exception()) is not None:
        log.error("storing a batch", exc_info=bug)
        return [StoreError(f"internal error: {bug!r}")] * count
    outcomes = stored.result()
    if len(outcomes) != count:
        log.error("the store said %d outcomes for %d readings", len(outcomes), count)
        return [StoreError(f"internal error: {len(outcomes)} outcomes for {count} readings")] * count
    return outcomes
