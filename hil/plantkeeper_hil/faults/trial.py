"""One fault's trial: a world, a load that goes on before, during and after the fault, and the judgement."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from plantkeeper_hil.faults.check import check
from plantkeeper_hil.faults.ledger import Sent, fleet
from plantkeeper_hil.faults.load import Load
from plantkeeper_hil.faults.processes import ProcessWorld
from plantkeeper_hil.faults.report import FaultResult
from plantkeeper_hil.faults.world import World, wait_for

W = TypeVar("W", bound=World)
FAULT_COUNT = 1_000_000
CLOCK_S = 0.01  # between the answer's way and the journal's clock


@dataclass(frozen=True)
class Size:
    """How large a trial is.

    Args:
        readings: acknowledged ones to reach.
        full: True lets faults last as long as they are meant to, False as short as still shows something.
        seed: of the run.
    """

    readings: int
    full: bool
    seed: int

    @property
    def devices(self) -> int:
        """How many boards: 96 in a full run; a short one still has some readings for each."""
        return 96 if self.full else 32

    @property
    def patience_s(self) -> float:
        """How long anything may take that must come in the end: after an outage, probes are up to as far apart."""
        return 240.0 if self.full else 90.0

    def seconds(self, *, full: float, short: float) -> float:
        """How long a fault lasts."""
        return full if self.full else short


class BaseTrial(Generic[W]):
    """What a fault's test works with.

    Args:
        fault: its name.
        note: takes the figures, as soon as there are any.
        answer_timeout_s: how long a board waits for an answer.
        first_device: number of the load's first device.
        earlier: what trials before this one left `open` on the same stack.

    Attributes:
        open: readings that may still take effect, though nothing was promised for them; known once it is finished.
    """

    def __init__(
        self,
        fault: str,
        world: W,
        size: Size,
        *,
        note: Callable[[FaultResult], None],
        answer_timeout_s: float = 4.0,
        first_device: int = 1,
        earlier: Collection[Sent] = (),
    ) -> None:
        self.world, self.size, self._fault, self._note, self._earlier = world, size, fault, note, earlier
        seed = f"{size.seed} {fault}"
        self.open: tuple[Sent, ...] = ()
        self.random = random.Random(seed)
        devices = fleet(size.devices, first=first_device)
        self.load = Load(lambda: world.gateways, devices, seed=seed, answer_timeout_s=answer_timeout_s)
        self._started_s = time.monotonic()

    def allow(self, share: float) -> None:
        """Let the load go on to a share of its readings, without waiting for it."""
        self.load.allow(self._count(share))

    def wait(self, share: float) -> None:
        """Wait until a share of the readings is acknowledged; the load goes on where more is allowed."""
        self.load.wait(self._count(share), timeout_s=self.size.patience_s)

    def reach(self, share: float) -> None:
        """Let the load go on to a share of its readings, and wait until they are acknowledged."""
        self.allow(share)
        self.wait(share)

    def hold(self, *, full: float, short: float) -> float:
        """Let a fault last, for so many seconds, while the load goes on as far as it may; returns them."""
        seconds = self.size.seconds(full=full, short=short)
        threading.Event().wait(seconds)  # not for something to happen: that time passes is the fault
        self.load.check()
        return seconds

    def backend_fault(self, name: str, *, full: float, short: float, **settings: Any) -> int:
        """Let the backend have a fault for so many seconds while boards go on, and mend it.

        Returns:
            How many requests met it.
        """
        self.reach(0.2)
        self.allow(0.4)
        self.wait(0.3)
        self.world.fault(name, count=FAULT_COUNT, **settings)
        self.allow(0.8)
        self.hold(full=full, short=short)
        met = FAULT_COUNT - self.world.faults_left()
        self.wait(0.8)  # boards do not notice
        self.world.mend()
        self.reach(1.0)
        assert set(self.load.answers) == {"200"}, f"boards were to notice nothing, but got {dict(self.load.answers)}"
        return met

    def retry_after_is_honoured(self, status: int, *, after_s: int) -> None:
        """Let the backend ask for a pause with a status and Retry-After, more than once; it must get it.

        Raises:
            AssertionError: a device was sent for within the pause that was asked for it.
        """
        self.reach(0.2)
        self.world.fault("status", count=8, status=status, retry_after_s=after_s)
        self.reach(0.8)
        self.wait_until_fault_is_over()
        asked_s: dict[int, float] = {}
        refusals = 0
        for entry in self.world.journal():
            device_id = int(entry["path"].rpartition("/")[2])
            early_s = asked_s.get(device_id, entry["monotonic_s"]) - entry["monotonic_s"]
            assert early_s <= 0, f"device {device_id} was sent for {early_s:.2f} s before Retry-After"
            if entry["status"] == status:
                refusals += 1
                asked_s[device_id] = entry["monotonic_s"] + after_s - CLOCK_S
        assert refusals == 8

    def wait_until_fault_is_over(self) -> None:
        """Wait until as many requests have met the backend's fault as were to."""
        wait_for(lambda: self.world.faults_left() == 0, "the fault's end", timeout_s=self.size.patience_s)

    def allow_until_applied(self, share: float, *, more: int) -> None:
        """Let the load go on to a share of its readings, and wait until so many more requests were carried out."""
        before = self.world.journal_length()
        self.allow(share)
        wait_for(
            lambda: self.world.journal_length() >= before + more,
            f"{more} more requests at the backend",
            timeout_s=self.size.patience_s,
        )

    def finish(self, **notes: Any) -> FaultResult:
        """Run the load to its end, wait until all is delivered, judge, and note the figures.

        Raises:
            AssertionError: the promise was broken; names what was lost, duplicated, reordered or altered.
        """
        self.reach(1.0)
        ledger = self.load.stop()
        self.world.wait_drained(timeout_s=self.size.patience_s)
        verdict = check(ledger, self.world.journal(), parked=self.world.parked(ledger), earlier=self._earlier)
        self.open = verdict.open
        result = FaultResult.of(
            self._fault,
            verdict,
            wall_s=time.monotonic() - self._started_s,
            answers=self.load.answers,
            notes={**notes, "cpu_s": self.world.cpu_s()},
        )
        self._note(result)
        breaches = "\n".join(map(str, verdict.findings[:20]))
        assert not verdict.findings, f"{len(verdict.findings)} breaches, seed {self.size.seed}:\n{breaches}"
        assert verdict.acknowledged >= self.size.readings
        return result

    def close(self) -> None:
        """End the load."""
        self.load.stop()

    def _count(self, share: float) -> int:
        return round(share * self.size.readings)


Trial = BaseTrial[ProcessWorld]  # over processes of this machine
