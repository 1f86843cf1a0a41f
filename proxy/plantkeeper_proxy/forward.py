"""The forwarder: takes the oldest waiting reading of each device, sends it, marks what became of it.

One reading of a device is on its way at a time, so a device's readings arrive in order; several devices go side
by side. A reading leaves the outbox only after the backend's 200 was read: a crash in between repeats it, with
the same key.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from plantkeeper_proxy.backoff import delay_s
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.outbox import Head, Outbox
from plantkeeper_proxy.upstream import Delivered, Outcome, Reject, Retry, Upstream

LONGEST_WAIT_S = 30.0  # looks at the outbox at least so often, should a notification get lost
STANDBY_S = 2.0
RECONNECT_S = 1.0
log = logging.getLogger(__name__)


class Forwarder:
    """Forwards until told to stop.

    Args:
        connect: opens the outbox.
        upstream: the backend.
        connections: readings on their way at once.
        random: 0 ≤ random() < 1, for the jitter of delays.
        ready: called once the outbox is open and watched.
    """

    def __init__(
        self,
        connect: Callable[[], Outbox],
        upstream: Upstream,
        *,
        connections: int,
        random: Callable[[], float],
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._upstream, self._random, self._ready = connect, upstream, random, ready
        self._connections = connections
        self._done: queue.SimpleQueue[tuple[Head, Outcome]] = queue.SimpleQueue()
        self._busy: set[int] = set()
        self._stopping = False
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
                    self._lead(pool)
                except StoreError as error:
                    log.error("forwarding pauses: %s", error)  # noqa: TRY400 - the message says it all
                    self._wait(None, RECONNECT_S)

    def _lead(self, pool: ThreadPoolExecutor) -> None:
        """Forward over one connection to the outbox, until it fails or `stop`."""
        outbox = self._connect()
        try:
            outbox.listen()
            self._ready()
            while not self._stopping and not outbox.lead():
                self._wait(None, STANDBY_S)
            self._forget_unfinished()
            while not self._stopping or self._busy:
                due_in_s = self._dispatch(outbox, pool)
                self._wait(outbox, due_in_s)
                self._settle(outbox)
        finally:
            outbox.close()

    def _dispatch(self, outbox: Outbox, pool: ThreadPoolExecutor) -> float:
        """Send what is due; returns the seconds until something else will be."""
        if self._stopping or len(self._busy) >= self._connections:
            return LONGEST_WAIT_S
        due_in_s = LONGEST_WAIT_S
        for head in sorted(outbox.heads(self._busy), key=lambda head: head.due_in_s):
            if head.due_in_s > 0:
                due_in_s = min(due_in_s, head.due_in_s)
            elif len(self._busy) < self._connections:
                self._busy.add(head.reading.device_id)
                pool.submit(self._send, head)
        return due_in_s

    def _send(self, head: Head) -> None:
        """In a thread of the pool: HTTP only."""
        try:
            outcome = self._upstream.send(head.reading)
        except Exception as error:  # a bug here must not stop the device for ever
            log.exception("reading %s of device %s", head.reading.reading_id, head.reading.device_id)
            outcome = Retry(f"internal error: {error!r}")
        self._done.put((head, outcome))
        self._wake()

    def _settle(self, outbox: Outbox) -> None:
        """Write down what became of the readings that came back."""
        while not self._done.empty():
            head, outcome = self._done.get()
            self._busy.discard(head.reading.device_id)
            self._mark(outbox, head, outcome)

    def _mark(self, outbox: Outbox, head: Head, outcome: Outcome) -> None:
        reading = head.reading
        name = f"device {reading.device_id}, reading {reading.reading_id}, key {reading.idempotency_key}"
        match outcome:
            case Delivered():
                outbox.delivered(reading.reading_id)
            case Retry(error, after_s):
                pause_s = delay_s(head.attempts + 1, self._random(), asked_s=after_s)
                log.warning("%s: attempt %s failed, next in %.1f s: %s", name, head.attempts + 1, pause_s, error)
                outbox.retry(reading.reading_id, pause_s, error)
            case Reject(error):
                log.error("%s: parked, the backend will never take it: %s", name, error)
                outbox.park(reading.reading_id, error)

    def _forget_unfinished(self) -> None:
        """After a lost connection: what came back meanwhile is not marked, so it will be sent again."""
        while self._busy:
            head, _ = self._done.get()
            self._busy.discard(head.reading.device_id)

    def _wait(self, outbox: Outbox | None, timeout_s: float) -> None:
        """Sleep until there is news of the outbox, of a reading on its way, or of the time."""
        sources = [self._wake_read, *([] if outbox is None else [outbox.fileno()])]
        readable, _, _ = select.select(sources, [], [], timeout_s)
        if self._wake_read in readable:
            os.read(self._wake_read, 4096)
        if outbox is not None and len(readable) > int(self._wake_read in readable):
            outbox.take_news()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b"\0")
