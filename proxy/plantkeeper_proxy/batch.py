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
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from plantkeeper_proxy.errors import OverloadedError, StoreError
from plantkeeper_proxy.ingest import Outcome, Submission

BATCH_LIMIT = 500
WAITING_LIMIT = 5_000
PATIENCE_S = 5.0
SPACING_S = 0.002
SWEEP_EVERY_S = 0.25
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
        store_batch: Callable[[Sequence[Submission]], Coroutine[Any, Any, Sequence[Result]]],
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
        self._committing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None

    def submit(self, submission: Submission, done: Done) -> None:
        """Have a reading committed; `done(outcome)` is called in the event loop once that is decided.

        Raises:
            OverloadedError: too many wait already; it was not taken.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise OverloadedError(f"{len(self._waiting)} readings wait to be stored")
        self._waiting.append(_Entry(submission, done, self._loop.time() + self._patience_s))
        if self._committing is None:
            self._committing = self._loop.create_task(self._commit())
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_EVERY_S, self._sweep)

    async def close(self) -> None:
        """Commit what waits."""
        if self._committing is not None:
            await self._committing
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _commit(self) -> None:
        """Commit batch after batch, until nothing waits."""
        answers: Iterable[tuple[_Entry, Result]] = ()
        try:
            while self._waiting:
                pause_s = self._begun_s + self._spacing_s - self._loop.time()
                if pause_s > 0 and self._shared and len(self._waiting) < self._batch_limit:
                    self._sent = ()
                    _tell(answers)
                    answers = ()
                    await asyncio.sleep(pause_s)
                self._begun_s = self._loop.time()
                self._shared = len(self._waiting) > 1
                self._sent = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_limit))]
                committed = self._loop.create_task(self._store_batch([entry.submission for entry in self._sent]))
                await asyncio.sleep(0)  # PostgreSQL works while the last batch's answers are written
                _tell(answers)
                answers = ()
                answers = zip(self._sent, await self._outcomes(committed), strict=True)
        except BaseException:  # cancelled: the gateway ends
            owed = (*self._sent, *self._waiting)
            self._sent, self._committing = (), None
            self._waiting.clear()
            _tell((entry, StoreError("the gateway ended; nobody knows whether it is stored")) for entry in owed)
            raise
        self._sent, self._committing = (), None
        _tell(answers)  # a sender may submit its next reading at that

    async def _outcomes(self, committed: asyncio.Task[Sequence[Result]]) -> Sequence[Result]:
        """What became of the readings that were sent; a bug in the store leaves nobody without an answer."""
        count = len(self._sent)
        try:
            outcomes = await committed
        except Exception as error:  # whatever it is
            log.exception("storing a batch")
            return [StoreError(f"internal error: {error!r}")] * count
        if len(outcomes) != count:
            log.error("the store said %d outcomes for %d readings", len(outcomes), count)
            return [StoreError(f"internal error: {len(outcomes)} outcomes for {count} readings")] * count
        return outcomes

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
        self._sweeper = None
        if self._committing is not None:
            self._sweeper = self._loop.call_later(SWEEP_EVERY_S, self._sweep)


def _tell(answers: Iterable[tuple[_Entry, Result]]) -> None:
    for entry, outcome in answers:
        entry.tell(outcome)
