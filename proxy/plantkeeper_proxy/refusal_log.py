"""Says in the log what was refused, and why: the first at once, repeats as one count a minute.

A board that sends nonsense in a loop, or a stranger with a flood, fills no disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

EVERY_S = 60.0
SENDERS_LIMIT = 2_000  # senders and reasons told apart; above that, all others share one count
log = logging.getLogger("plantkeeper_proxy.refused")
Who = tuple[str, str]
OTHERS: Who = ("others", "")


@dataclass
class _Count:
    since_s: float
    level: int
    more: int = 0
    said: str = ""


class RefusalLog:
    """Refusals by sender and reason. Safe to use from several threads: at worst a repeat is told once more.

    Args:
        monotonic_s: clock.
    """

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._counts: dict[Who, _Count] = {}
        self._sweep_at_s = monotonic_s() + EVERY_S

    def say(
        self,
        said: str,
        *,
        address: str | None,
        reason: str,
        status: int,
        request_id: str | None = None,
        device: int | None = None,
        level: int = logging.WARNING,
    ) -> None:
        """A request was refused.

        Args:
            said: why, for people.
            address: of the sender.
            reason: short name.
            device: where it is known.
        """
        now_s = self._monotonic_s()
        if now_s >= self._sweep_at_s:
            self.sweep()
        who = (str(address), reason)
        known = self._counts.get(who)
        if known is None and len(self._counts) >= SENDERS_LIMIT:
            known = self._counts.setdefault(OTHERS, _Count(now_s, level))
        if known is not None:
            known.more += 1
            known.said = said
            return
        self._counts[who] = _Count(now_s, level)
        fields = {"address": address, "reason": reason, "status": status, "request_id": request_id, "device": device}
        log.log(level, "refused a request from %s: %s", address, said, extra=fields)

    def sweep(self) -> None:
        """Tell the counts of repeats that are a minute old; to be called now and then."""
        now_s = self._monotonic_s()
        self._sweep_at_s = now_s + EVERY_S
        for who, count in list(self._counts.items()):
            if now_s - count.since_s < EVERY_S:
                continue
            self._counts.pop(who, None)
            if count.more:
                self._counts[who] = _Count(now_s, count.level)  # goes on: counted, not told one by one
                address, reason = who
                fields = {"address": address, "reason": reason, "count": count.more}
                log.log(
                    count.level, "refused %s more requests from %s, the last: %s", count.more, address, count.said,
                    extra=fields,
                )  # fmt: skip
