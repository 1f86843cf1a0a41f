"""Which devices are to be looked at, and when. Pure."""

from __future__ import annotations

import heapq


class Agenda:
    """Devices by the time from which they are due; each at most once, at its earliest time."""

    def __init__(self) -> None:
        self._due_s: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._due_s)

    def put(self, device_id: int, due_s: float) -> None:
        """Look at a device from `due_s` on, or earlier where that was said before."""
        if due_s < self._due_s.get(device_id, float("inf")):
            self._due_s[device_id] = due_s
            heapq.heappush(self._heap, (due_s, device_id))

    def take(self, now_s: float, count: int) -> list[int]:
        """Take out the devices that have been due the longest, at most `count`."""
        taken: list[int] = []
        while len(taken) < count and self.next_s() <= now_s:
            _, device_id = heapq.heappop(self._heap)
            del self._due_s[device_id]
            taken.append(device_id)
        return taken

    def count_due(self, now_s: float, most: int) -> int:
        """About how many devices are due, up to `most`: a guess by a glance, but none is none and some are some."""
        if self.next_s() > now_s:
            return 0
        return sum(due_s <= now_s for due_s, _ in self._heap[:most])

    def next_s(self) -> float:
        """When the next device is due; infinite where there is none."""
        while self._heap and self._due_s.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # was put again with an earlier time, or taken
        return self._heap[0][0] if self._heap else float("inf")
