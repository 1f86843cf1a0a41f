"""The gateway with a mutation: every n-th reading is answered 200 and thrown away (LOSE_EVERY; 0 loses none).

Takes `serve` and `forward` as plantkeeper-proxy does. The checker must find what it loses.
"""

import os
import sys
from collections.abc import Sequence

from plantkeeper_proxy import server
from plantkeeper_proxy.__main__ import main
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.store import BatchStore

LOSE_EVERY = int(os.environ["LOSE_EVERY"])


class LossyStore(BatchStore):
    count = 0

    async def store_batch(self, submissions: Sequence[Submission]) -> Sequence[Outcome | StoreError]:
        outcomes: list[Outcome | StoreError] = []
        for submission in submissions:
            self.count += 1
            lost = LOSE_EVERY and self.count % LOSE_EVERY == 0
            outcomes += [Stored.NEW] if lost else await super().store_batch([submission])
        return outcomes


server.BatchStore = LossyStore  # type: ignore[attr-defined] # the mutation
sys.exit(main())
