"""Lets many requests share one transaction: what comes while one batch is committed makes the next.

A lone reading is committed at once; under load, batches grow by themselves and the cost of a commit is shared.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from plantkeeper_proxy.errors import OverloadedError, StoreError
from plantkeeper_proxy.ingest import Outcome, Submission

BATCH_LIMIT = 500
WAITING_LIMIT = 5_000
PATIENCE_S = 5.0
SWEEP_EVERY_S = 0.5
Done = Callable[[Outcome | StoreError], None]


class Batcher:
    """Hands readings to a store in batches, one batch at a time. To be used within one event loop.

    Args:
        store_batch: commits a batch and says for each reading what became of it.
        batch_limit: most readings in a batch.
        waiting_limit: most readings that wait; one more is refused.
        patience_s: so long a reading waits for its batch; then it is not stored, and its sender is told so.
    """

    def __init__(
        self,
        store_batch: Callable[[Sequence[Submission]], Coroutine[Any, Any, Sequence[Outcome | StoreError]]],
        *,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._store_batch = store_batch
        self._batch_limit, self._waiting_limit, self._patience_s = batch_limit, waiting_limit, patience_s
        self._waiting: deque[tuple[Submission, Done, float]] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._sweep_timer: asyncio.TimerHandle | None = None

    def submit(self, submission: Submission, done: Done) -> None:
        """Have a reading committed; `done(outcome)` is called in the event loop once that is decided.

        Raises:
            OverloadedError: too many wait already; it was not taken.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise OverloadedError(f"{len(self._waiting)} readings wait to be stored")
        self._waiting.append((submission, done, self._loop.time() + self._patience_s))
        if self._committing is None:
            self._committing = self._loop.create_task(self._commit())

    async def close(self) -> None:
        """Commit what waits."""
        if self._committing is not None:
            await self._committing

    async def _commit(self) -> None:
        """Commit batch after batch, until nothing waits."""
        answers: list[tuple[Done, Outcome | StoreError]] = []
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_limit))]
            self._sweep_timer = self._loop.call_later(SWEEP_EVERY_S, self._sweep)
            committed = self._loop.create_task(self._store_batch([submission for submission, _, _ in batch]))
            await asyncio.sleep(0)  # PostgreSQL works while the last batch's answers are written
            _tell(answers)
            try:
                outcomes: Sequence[Outcome | StoreError] = await committed
            except Exception as error:  # a bug in the store must not leave boards without an answer
                outcomes = [StoreError(f"internal error: {error!r}")] * len(batch)
            finally:
                self._sweep_timer.cancel()
            answers = [(done, outcome) for (_, done, _), outcome in zip(batch, outcomes, strict=True)]
        self._committing = None
        _tell(answers)

    def _sweep(self) -> None:
        """Give up on those that have waited too long: PostgreSQL does not come to them."""
        while self._waiting and self._waiting[0][2] <= self._loop.time():
            _, done, _ = self._waiting.popleft()
            done(StoreError(f"PostgreSQL did not take it within {self._patience_s:g} s"))
        self._sweep_timer = self._loop.call_later(SWEEP_EVERY_S, self._sweep)


def _tell(answers: Sequence[tuple[Done, Outcome | StoreError]]) -> None:
    for done, outcome in answers:
        done(outcome)
