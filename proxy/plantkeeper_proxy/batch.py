"""Lets many requests share one transaction: what comes while one batch is committed makes the next.

A lone reading is committed at once; under load, batches grow by themselves and the cost of a commit is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from plantkeeper_proxy.errors import OverloadedError, StoreError
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.message import Reading

BATCH_LIMIT = 500
WAITING_LIMIT = 5_000
Outcome = Stored | StoreError
Done = Callable[[Outcome], None]


class Batcher:
    """Hands readings to a blocking store in batches. To be used within one event loop.

    Args:
        store_batch: commits a batch and says for each reading what became of it; called in a thread, one call
            at a time.
        batch_limit: most readings in a batch.
        waiting_limit: most readings that wait; one more is refused.
    """

    def __init__(
        self,
        store_batch: Callable[[Sequence[Reading]], Sequence[Outcome]],
        *,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
    ) -> None:
        self._store_batch = store_batch
        self._batch_limit, self._waiting_limit = batch_limit, waiting_limit
        self._waiting: list[tuple[Reading, Done]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._committing: asyncio.Future[Sequence[Outcome]] | None = None

    def submit(self, reading: Reading, done: Done) -> None:
        """Have a reading committed; `done(outcome)` is called in the event loop once that is decided.

        Raises:
            OverloadedError: too many wait already; it was not taken.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise OverloadedError(f"{len(self._waiting)} readings wait to be stored")
        self._waiting.append((reading, done))
        if self._committing is None:
            self._begin()

    async def close(self) -> None:
        """Commit what waits, then let go of the thread."""
        while self._committing is not None:
            await asyncio.wait([self._committing])
            await asyncio.sleep(0)  # its callback, which may begin the next
        self._thread.shutdown(wait=True)

    def _begin(self) -> None:
        batch, self._waiting = self._waiting[: self._batch_limit], self._waiting[self._batch_limit :]
        readings = [reading for reading, _ in batch]
        self._committing = asyncio.get_running_loop().run_in_executor(self._thread, self._store_batch, readings)
        self._committing.add_done_callback(partial(self._committed, batch))

    def _committed(self, batch: Sequence[tuple[Reading, Done]], committed: asyncio.Future[Sequence[Outcome]]) -> None:
        self._committing = None
        if self._waiting:
            self._begin()  # first: PostgreSQL works while the answers are written
        error = committed.exception()
        # a bug in the store must not leave boards without an answer
        outcomes = committed.result() if error is None else [StoreError(f"internal error: {error!r}")] * len(batch)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            done(outcome)
