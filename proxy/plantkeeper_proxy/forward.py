"""The forwarder: takes lanes of devices, sends their oldest readings, settles what became of them.

A lane belongs to one forwarder at a time, and a device's readings are sent one after the other: so they arrive in
order, however many forwarders run. A reading leaves the outbox only after the backend's 200 was read; a crash in
between repeats it, with the same key, once the dead forwarder's claim has run out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from plantkeeper_proxy.breaker import Breaker
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.lane import Report, work
from plantkeeper_proxy.outbox import Claim, Outbox, Settlement
from plantkeeper_proxy.upstream import Upstream

LONGEST_WAIT_S = 30.0  # looks at the whole outbox so often, should a notification get lost
RECONNECT_S = 1.0
READINGS_A_CLAIM = 50
log = logging.getLogger(__name__)


class Forwarder:
    """Forwards until told to stop.

    Args:
        connect: opens the outbox.
        upstream: the backend.
        connections: devices that are sent for at once.
        random: 0 ≤ random() < 1, for the jitter of pauses.
        ready: called once the outbox is watched.
        monotonic_s: a clock.
    """

    def __init__(
        self,
        connect: Callable[[], Outbox],
        upstream: Upstream,
        *,
        connections: int,
        random: Callable[[], float],
        ready: Callable[[], None] = lambda: None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._upstream, self._random, self._ready = connect, upstream, random, ready
        self._connections, self._monotonic_s = connections, monotonic_s
        self._lease_s = upstream.longest_attempt_s + 5.0
        self._breaker = Breaker(random)
        self._due_s: dict[int, float] = {}  # devices that may have something to send, and from when on
        self._busy: set[int] = set()
        self._done: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._scan_at_s = 0.0
        self._stopping = self._fenced = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def stop(self) -> None:
        """Finish what is on its way, then let `run` return. May be called from a signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Forward until `stop`; survives a database that comes and goes."""
        with ThreadPoolExecutor(self._connections, thread_name_prefix="upstream") as pool:
            while not self._stopping:
                try:
                    self._forward(pool)
                except StoreError as error:
                    log.error("forwarding pauses: %s", error)  # noqa: TRY400 - the message says it all
                    self._wait(None, RECONNECT_S)

    def _forward(self, pool: ThreadPoolExecutor) -> None:
        """Forward over one connection to the outbox, until it fails or `stop`."""
        outbox = self._connect()
        try:
            outbox.listen()
            self._ready()
            self._scan_at_s = 0.0
            while not self._stopping or self._busy:
                self._dispatch(outbox, pool)
                if self._done.empty():
                    self._wait(outbox, self._next_in_s())
                self._settle(outbox)
        finally:
            self._abandon()
            outbox.close()

    def _dispatch(self, outbox: Outbox, pool: ThreadPoolExecutor) -> None:
        """Claim the lanes of devices that are due, and send for them."""
        now_s = self._monotonic_s()
        if now_s >= self._scan_at_s:
            self._scan_at_s = now_s + LONGEST_WAIT_S
            self._notice(outbox.waiting_devices())
        free = 0 if self._stopping else self._breaker.may_send(now_s, len(self._busy), self._connections)
        due = [device_id for device_id, due_s in self._due_s.items() if due_s <= now_s and device_id not in self._busy]
        if not free or not due:
            return
        claims, others = outbox.claim(due[:free], lease_s=self._lease_s, limit=READINGS_A_CLAIM)
        for device_id, free_in_s in others.items():
            self._due_s[device_id] = now_s + max(free_in_s, 0.05)
        empty = [Settlement(claim.device_id) for claim in claims if not claim.readings]
        if empty:
            outbox.settle(empty)
        for claim in claims:
            del self._due_s[claim.device_id]
            if claim.readings:
                self._busy.add(claim.device_id)
                pool.submit(self._work, claim, now_s + self._lease_s)

    def _work(self, claim: Claim, lease_until_s: float) -> None:
        """In a thread of the pool: HTTP only."""
        safe_until_s = lease_until_s - self._upstream.longest_attempt_s

        def keep_on() -> bool:
            """An attempt may be begun while it is sure to end within our claim."""
            return not self._fenced and not self._stopping and self._monotonic_s() <= safe_until_s

        try:
            report = work(claim, self._upstream.send, keep_on=keep_on, random=self._random())
        except Exception:  # a bug here must not stop the device for ever
            log.exception("device %s", claim.device_id)
            failed = Settlement(claim.device_id, attempts=claim.attempts + 1, delay_s=60.0)
            report = Report(failed, more=False, backend_failed=None, backend_answered=False)
        self._done.put(report)
        self._wake()

    def _settle(self, outbox: Outbox) -> None:
        """Write down what became of the claims that came back."""
        reports: list[Report] = []
        while not self._done.empty():
            reports.append(self._done.get())
        if not reports:
            return
        now_s = self._monotonic_s()
        for report in reports:
            self._busy.discard(report.settlement.device_id)
            self._count(report, now_s)
        outbox.settle(report.settlement for report in reports)
        for report in reports:
            device_id = report.settlement.device_id
            if report.more:
                self._due_s[device_id] = now_s
            elif report.settlement.error is not None:
                self._due_s[device_id] = now_s + report.settlement.delay_s

    def _count(self, report: Report, now_s: float) -> None:
        """Tell the breaker how the backend does."""
        if report.backend_failed is not None:
            was_open = self._breaker.is_open
            self._breaker.failed(now_s, report.backend_failed.after_s)
            if self._breaker.is_open and not was_open:
                log.warning("the backend is down: one probe at a time from now on")
        elif report.backend_answered:
            if self._breaker.is_open:
                log.warning("the backend is back")
            self._breaker.succeeded()

    def _next_in_s(self) -> float:
        """How long nothing needs to be done, unless there is news."""
        now_s = self._monotonic_s()
        waits_s = [self._scan_at_s - now_s]
        if self._breaker.may_send(now_s, len(self._busy), self._connections):
            waits_s += [due_s - now_s for device_id, due_s in self._due_s.items() if device_id not in self._busy]
        elif self._breaker.is_open and not self._busy:
            waits_s.append(self._breaker.probe_in_s(now_s))
        return max(0.0, min(waits_s))

    def _notice(self, devices: set[int]) -> None:
        now_s = self._monotonic_s()
        for device_id in devices:
            self._due_s.setdefault(device_id, now_s)

    def _abandon(self) -> None:
        """After a lost connection: let what is on its way come back; unmarked, it will be sent again."""
        self._fenced = True
        while self._busy:
            self._busy.discard(self._done.get().settlement.device_id)
        self._fenced = False
        self._due_s.clear()

    def _wait(self, outbox: Outbox | None, timeout_s: float) -> None:
        """Sleep until there is news of the outbox, of a claim on its way, or of the time."""
        sources = [self._wake_read, *([] if outbox is None else [outbox.fileno()])]
        readable, _, _ = select.select(sources, [], [], timeout_s)
        if self._wake_read in readable:
            os.read(self._wake_read, 4096)
        if outbox is not None:
            news = outbox.news()
            if news is None:
                self._scan_at_s = 0.0
            else:
                self._notice(news)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b"\0")
