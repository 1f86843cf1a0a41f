"""A store in memory, for tests of what stands before the store."""

from __future__ import annotations

from collections.abc import Sequence

from plantkeeper_proxy.batch import Result
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.ingest import Outcome, Stored, Submission
from plantkeeper_proxy.message import Reading


class MemoryStore:
    """Readings in memory, by the store's rules."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.down: str | None = None

    def store(self, submission: Submission) -> Outcome:
        self.check()
        reading = submission.reading
        for known in self.readings:
            if reading.key is not None and (known.device_id, known.key) == (reading.device_id, reading.key):
                return Stored.REPEATED if known.values == reading.values else Stored.KEY_REUSED
        self.readings.append(reading)
        return Stored.NEW

    async def store_batch(self, submissions: Sequence[Submission]) -> Sequence[Result]:
        outcomes: list[Result] = []
        for submission in submissions:
            try:
                outcomes.append(self.store(submission))
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    def check(self) -> None:
        if self.down:
            raise StoreError(self.down)
