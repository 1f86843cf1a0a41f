"""The forwarder: takes lanes of devices, sends their oldest readings, writes down what became of them.

A lane belongs to one forwarder at a time, and a device's next reading is sent only once it is written down that the
backend has the last one. So readings arrive in order, however many forwarders run, and a crash repeats at most the
newest reading that the backend has of a device, which changes nothing there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from plantkeeper_proxy.agenda import Agenda
from plantkeeper_proxy.breaker import Breaker
from plantkeeper_proxy.delivery import Delivered, Outcome, Retry, internal_error
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.lane import Lane, State, consequence
from plantkeeper_proxy.outbox import Dead, Outbox, Pause
from plantkeeper_proxy.tally import Tally
from plantkeeper_proxy.upstream import Upstream

SCAN_EVERY_S = 30.0  # looks at the whole outbox so often, should a notification get lost
REPORT_EVERY_S = 15.0
REPORT_SOONEST_S = 1.0
RECONNECT_S = 1.0
MARGIN_S = 2.0
SPACING_S = 0.1
DRAIN_SPACING_S = 0.004
REST = 0.25  # of the CPU time that was used, while a backlog drains
LONGEST_REST_S = 0.05
ENOUGH = 32
READINGS_A_LOOK = 8
log = logging.getLogger(__name__)


class Connect(Protocol):
    """Opens the outbox."""

    async def __call__(self, news: Callable[[set[int] | None], None], lost: Callable[[], None]) -> Outbox:
        """As `Outbox.open`."""


class Forwarder:
    """Forwards until told to stop. To be made and run within one event loop.

    Args:
        connect: opens the outbox.
        upstream: the backend.
        connections: readings on their way at once, each of another device.
        unknown_sensor_attempts: so many failed attempts at a sensor that the backend does not know are enough.
        random: 0 ≤ random() < 1, for the jitter of pauses.
        ready: called once the outbox is watched, and after each report, every 15 s.
        monotonic_s, epoch_s: clocks.
        cpu_s: the CPU time that this process used so far.
    """

    def __init__(
        self,
        connect: Connect,
        upstream: Upstream,
        *,
        connections: int,
        unknown_sensor_attempts: int,
        random: Callable[[], float],
        ready: Callable[[], None] = lambda: None,
        monotonic_s: Callable[[], float] = time.monotonic,
        epoch_s: Callable[[], float] = time.time,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._connect, self._upstream, self._ready = connect, upstream, ready
        self._connections, self._unknown_sensor_attempts = connections, unknown_sensor_attempts
        self._random, self._monotonic_s, self._epoch_s, self._cpu_s = random, monotonic_s, epoch_s, cpu_s
        self._attempt_s = upstream.timeout_s + MARGIN_S
        self._lease_s = 2 * self._attempt_s
        self._breaker = Breaker(random)
        self.tally = Tally()
        self._agenda = Agenda()
        self._lanes: dict[int, Lane] = {}
        self._leases: dict[int, float] = {}  # until when a lane is ours for sure, by our own clock
        self._results: list[tuple[Lane, Outcome]] = []
        self._sending = 0
        self._scan_at_s = self._report_at_s = self._reported_s = self._looked_s = 0.0
        self._cpu_then_s = cpu_s()
        self._stopping = False
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Finish what is on its way, give all lanes back, then let `run` return."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Forward until `stop`; survives a database that comes and goes."""
        while not self._stopping:
            try:
                await self._forward()
            except StoreError as error:
                log.error("forwarding pauses: %s", error)  # noqa: TRY400 - the message says it all
                await self._nap(RECONNECT_S)

    async def _forward(self) -> None:
        """Forward over one connection to the database, until it fails or `stop`."""
        self._scan_at_s = 0.0
        outbox = await self._connect(self._hear, self._wake.set)
        try:
            await self._settle(outbox)  # what came back while there was no database
            self._ready()
            while not self._stopping or self._sending or self._results:
                await self._settle(outbox)
                await self._take(outbox)
                self._send()
                await self._report(outbox)
                await self._nap(self._next_in_s())
                await self._let_more_come(outbox)
                outbox.check()
            await outbox.release()
        finally:
            outbox.close()

    # ---- what became of readings -------------------------------------------------------------------------------

    async def _settle(self, outbox: Outbox) -> None:
        """Write down what became of the readings that were answered, then go on with their lanes."""
        results = self._results[:]
        if not results:
            return
        found = [
            (
                lane,
                consequence(
                    lane.readings[0],
                    lane.attempts,
                    outcome,
                    random=self._random(),
                    unknown_sensor_attempts=self._unknown_sensor_attempts,
                ),
            )
            for lane, outcome in results
        ]
        delivered = [lane.readings[0] for lane, step in found if isinstance(step, Delivered)]
        dead = [step for _, step in found if isinstance(step, Dead)]
        pauses = [step for _, step in found if isinstance(step, Pause)]
        # a success after failures: the lane's count starts again
        pauses_done = [
            Pause(lane.device_id, 0, 0.0, None) for lane, step in found if lane.attempts and not isinstance(step, Pause)
        ]

        if delivered:
            await outbox.delivered(delivered)
        if dead:
            await outbox.park(dead)
        if pauses or pauses_done:
            await outbox.pause([*pauses, *pauses_done])
        del self._results[: len(results)]
        now_s, epoch_s = self._monotonic_s(), self._epoch_s()
        for lane, step in found:
            reading = lane.readings[0]
            if isinstance(step, Pause):
                self._leases.pop(lane.device_id, None)  # given back
                self.tally.retried += 1
                log.warning(
                    "%s: attempt %s failed, next in %.1f s: %s", reading, step.attempts, step.delay_s, step.error
                )
                self._put_back(lane, now_s + step.delay_s)
                continue
            if isinstance(step, Dead):
                self.tally.dead += 1
                log.error("%s: parked after %s attempts: %s", reading, step.attempts, step.error)
            else:
                self.tally.count_delivery(epoch_s - reading.received_s)
            if lane.attempts:
                self._leases.pop(lane.device_id, None)  # it was given back with its count
                lane.more = True
                self._put_back(lane, now_s)
                continue
            lane.readings.popleft()
            lane.state = State.READY
            if not lane.readings:
                del self._lanes[lane.device_id]
                if lane.more:
                    self._agenda.put(lane.device_id, now_s)

    def _count(self, outcome: Outcome) -> None:
        """Tell the breaker how the backend does."""
        was_open = self._breaker.is_open
        alarms = dict(self.tally.alarms)
        if isinstance(outcome, Retry) and not outcome.device_only:
            self._breaker.failed(self._monotonic_s(), outcome.after_s)
            if self._breaker.is_open:
                alarms["backend"] = outcome.error
                if not was_open:
                    log.error("the backend is down: one probe at a time from now on: %s", outcome.error)
            if outcome.untrusted:
                alarms["certificate"] = outcome.error
        else:
            self._breaker.succeeded()
            alarms = {}
            if was_open:
                log.warning("the backend is back")
                self._scan_at_s = 0.0
        if alarms != self.tally.alarms:
            self.tally.alarms = alarms
            self._report_at_s = 0.0

    def _put_back(self, lane: Lane, due_s: float) -> None:
        del self._lanes[lane.device_id]
        self._agenda.put(lane.device_id, due_s)

    # ---- lanes -------------------------------------------------------------------------------------------------

    async def _take(self, outbox: Outbox) -> None:
        """Take lanes of devices that are due, with their oldest readings."""
        now_s = self._monotonic_s()
        if self._stopping:
            return
        if now_s >= self._scan_at_s:
            self._scan_at_s = now_s + SCAN_EVERY_S
            self._leases = {device_id: until_s for device_id, until_s in self._leases.items() if until_s > now_s}
            self._notice(await outbox.waiting_devices())
            for lane in self._lanes.values():  # older ones may be there anew: an operator had dead letters sent again
                lane.forget_all_but_the_oldest()
        free = self._breaker.may_send(now_s, len(self._lanes), self._connections)
        due: list[int] = []
        for device_id in self._agenda.take(now_s, free):
            if device_id in self._lanes:
                self._lanes[device_id].more = True
            else:
                due.append(device_id)
        if not due:
            return
        held = {device_id: 0 for device_id in due if self._leases.get(device_id, 0.0) - now_s > self._attempt_s}
        wanted = [device_id for device_id in due if device_id not in held]
        attempts = {**held, **(await self._claim(outbox, wanted) if wanted else {})}
        if not attempts:
            return
        waiting = await outbox.oldest(list(attempts), READINGS_A_LOOK)
        for device_id, readings in waiting.items():
            if readings:
                more = len(readings) == READINGS_A_LOOK
                self._lanes[device_id] = Lane(device_id, deque(readings), attempts[device_id], more)

    async def _claim(self, outbox: Outbox, devices: list[int]) -> dict[int, int]:
        """Claim lanes; returns the failed attempts of those that are ours now. The others come up again in time."""
        now_s = self._monotonic_s()
        claims = await outbox.claim(devices, lease_s=self._lease_s)
        if claims.unknown:
            await outbox.make_lanes(claims.unknown)
            for device_id in claims.unknown:
                self._agenda.put(device_id, now_s)
        for device_id, free_in_s in claims.taken_by_others.items():
            self._agenda.put(device_id, now_s + max(free_in_s, 0.05))
        for device_id in claims.attempts:
            self._leases[device_id] = now_s + self._lease_s
        return dict(claims.attempts)

    def _send(self) -> None:
        """Send the oldest reading of each lane that is ready, as far as the backend is well."""
        now_s = self._monotonic_s()
        for lane in [lane for lane in self._lanes.values() if lane.state is State.READY]:
            ours = self._leases.get(lane.device_id, 0.0) - now_s >= self._attempt_s
            if self._stopping or not ours or not self._breaker.may_send(now_s, self._sending, self._connections):
                self._put_back(lane, now_s)
                continue
            lane.state = State.SENDING
            self._sending += 1
            try:
                self._upstream.send(lane.readings[0], partial(self._answered, lane))
            except Exception as bug:
                log.exception("%s", lane.readings[0])
                self._answered(lane, internal_error(bug))

    def _answered(self, lane: Lane, outcome: Outcome) -> None:
        self._sending -= 1
        lane.state = State.ANSWERED
        self._results.append((lane, outcome))
        self._count(outcome)
        self._wake.set()

    # ---- news and time -----------------------------------------------------------------------------------------

    def _hear(self, devices: set[int] | None) -> None:
        """There are new readings."""
        if devices is None:
            self._scan_at_s = 0.0
        else:
            self._notice(devices)
        self._wake.set()

    def _notice(self, devices: set[int]) -> None:
        now_s = self._monotonic_s()
        for device_id in devices:
            lane = self._lanes.get(device_id)
            if lane is not None:
                lane.more = True
            else:
                self._agenda.put(device_id, now_s)

    def _next_in_s(self) -> float:
        """How long nothing needs to be done, unless there is news."""
        now_s = self._monotonic_s()
        if self._results or any(lane.state is State.READY for lane in self._lanes.values()):
            return 0.0
        if self._stopping:  # only what is on its way is waited for
            return REPORT_SOONEST_S if self._sending else 0.0
        next_s = min(self._scan_at_s, max(self._report_at_s, self._reported_s + REPORT_SOONEST_S))
        if self._breaker.may_send(float("inf"), len(self._lanes), self._connections):
            next_s = min(next_s, max(self._agenda.next_s(), self._breaker.next_s()))
        return max(0.0, next_s - now_s)

    async def _let_more_come(self, outbox: Outbox) -> None:
        """Look again only after a while, or when there is enough to do, so that many share what a look costs.

        The first reading after a quiet time does not wait. While more devices wait than are served at once, looks
        follow each other closely, and after each comes a rest: boards that post meanwhile need the processor more.
        """
        drains = self._count_due(1) > 0 and not self._free()
        until_s = self._looked_s + (DRAIN_SPACING_S if drains else SPACING_S)
        with outbox.deaf():
            while not self._stopping and outbox.is_open:
                pause_s = until_s - self._monotonic_s()
                to_do = len(self._results) + self._count_due(min(ENOUGH, self._free()))
                if pause_s <= 0 or to_do >= ENOUGH or self._only_a_backlog_goes_on():
                    break
                await self._nap(pause_s)
            if drains:
                await asyncio.sleep(min(LONGEST_REST_S, REST * (self._cpu_s() - self._cpu_then_s)))
        self._looked_s, self._cpu_then_s = self._monotonic_s(), self._cpu_s()

    def _count_due(self, most: int) -> int:
        return self._agenda.count_due(self._monotonic_s(), most)

    def _free(self) -> int:
        """How many more devices may be served now."""
        return self._breaker.may_send(self._monotonic_s(), len(self._lanes), self._connections)

    def _only_a_backlog_goes_on(self) -> bool:
        """Whether a good part of the lanes are answered and have more waiting: the others are no reason to wait."""
        going_on = sum(len(lane.readings) > 1 or lane.more for lane, _ in self._results)
        return 0 < going_on >= min(ENOUGH, len(self._lanes) // 2)

    async def _nap(self, timeout_s: float) -> None:
        """Sleep until there is something new, or the time has come."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _report(self, outbox: Outbox) -> None:
        """Say how it goes, not too often."""
        now_s = self._monotonic_s()
        if now_s < max(self._report_at_s, self._reported_s + REPORT_SOONEST_S):
            return
        self._reported_s, self._report_at_s = now_s, now_s + REPORT_EVERY_S
        self.tally.certificate_expires_s = self._upstream.certificate_expires_s
        await outbox.report(self.tally.counters(), self.tally.alarms)
        self._ready()
