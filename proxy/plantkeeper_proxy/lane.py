"""A device's lane in a forwarder's hands, and what follows from the backend's answer to its oldest reading. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from plantkeeper_proxy.backoff import delay_s
from plantkeeper_proxy.delivery import Delivered, Outcome, Reject, Retry, Waiting
from plantkeeper_proxy.outbox import Dead, Pause

BACKEND_DOWN_PAUSE_S = 2.0


class State(Enum):
    """Where a lane's oldest reading is."""

    READY = auto()
    SENDING = auto()
    ANSWERED = auto()


@dataclass(eq=False, slots=True)
class Lane:
    """Readings of one device, oldest first. The next is sent only when the outbox knows what became of the last.

    Otherwise a crash would repeat more than the newest reading that the backend has, and set a sensor back in time.

    Args:
        attempts: that failed so far for the oldest.
        more: the outbox may hold more of them.
    """

    device_id: int
    readings: deque[Waiting]
    attempts: int
    more: bool
    state: State = State.READY

    def forget_all_but_the_oldest(self) -> None:
        """Have the others read from the outbox again."""
        while len(self.readings) > 1:
            self.readings.pop()
        self.more = True


def consequence(
    reading: Waiting, attempts: int, outcome: Outcome, *, random: float, unknown_sensor_attempts: int
) -> Delivered | Dead | Pause:
    """What is to be written down.

    Args:
        attempts: that failed before this one.
        random: 0 ≤ random < 1, for the jitter of a pause.
        unknown_sensor_attempts: so many failed attempts at a sensor that the backend does not know are enough.
    """
    match outcome:
        case Delivered():
            return outcome
        case Reject(error):
            return Dead(reading, attempts + 1, error)
        case Retry(error, after_s, device_only):
            attempts += 1
            if device_only and attempts >= unknown_sensor_attempts:
                return Dead(reading, attempts, error)
            pause_s = delay_s(attempts, random, asked_s=after_s)
            if not device_only:  # the breaker paces attempts while the backend is down: this device is not at fault
                pause_s = min(pause_s, max(BACKEND_DOWN_PAUSE_S, after_s or 0.0))
            return Pause(reading.device_id, attempts, pause_s, error)
