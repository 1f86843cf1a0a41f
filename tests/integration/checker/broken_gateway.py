"""The gateway with a mutation: a board's every n-th reading is answered 200 and thrown away (LOSE_EVERY; 0 loses none).

Takes `serve` and `forward` as plantkeeper-proxy does. The checker must find what it loses.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from plantkeeper_proxy import server
from plantkeeper_proxy.__main__ import main
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.store import Batch, BatchStore

LOSE_EVERY = int(os.environ["LOSE_EVERY"])


def is_lost(submission: Submission) -> bool:
    """By the sequence number in its key (boot-sequence), whatever others post."""
    sequence = int((submission.reading.key or "0-0").split("-")[1])
    return LOSE_EVERY > 0 and sequence > 0 and sequence % LOSE_EVERY == 0


class LossyStore(BatchStore):
    def store_batch(self, submissions: Sequence[Submission]) -> Batch:
        return asyncio.get_running_loop().create_task(self._store_most(submissions))

    async def _store_most(self, submissions: Sequence[Submission]) -> Sequence[Outcome | StoreError]:
        outcomes: list[Outcome | StoreError] = []
        for submission in submissions:
            outcomes += [Stored.NEW] if is_lost(submission) else await super().store_batch([submission])
        return outcomes


server.BatchStore = LossyStore  # type: ignore[attr-defined] # the mutation
sys.exit(main())
