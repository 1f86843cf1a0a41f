"""Sends one device's oldest readings in order, and says what became of them. No database here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from plantkeeper_proxy.backoff import delay_s
from plantkeeper_proxy.outbox import Claim, Dead, Settlement
from plantkeeper_proxy.upstream import Delivered, Outcome, Reject, Retry, Waiting

UNKNOWN_SENSOR_ATTEMPTS = 12  # about half an hour, in which somebody may create the sensor
BACKEND_DOWN_PAUSE_S = 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """A claim that was worked on.

    Args:
        settlement: what to write down.
        more: True where more readings of the device may wait and can go at once.
        backend_failed: the failure that says something about the backend as a whole, if one did.
        backend_answered: True where the backend answered as one that is well does.
    """

    settlement: Settlement
    more: bool
    backend_failed: Retry | None
    backend_answered: bool


def work(claim: Claim, send: Callable[[Waiting], Outcome], *, keep_on: Callable[[], bool], random: float) -> Report:
    """Send the claim's readings one after the other, until one fails or all are through.

    Args:
        send: to the backend.
        keep_on: asked before each reading; False gives the rest back unsent.
        random: 0 ≤ random < 1, for the jitter of a pause.
    """
    delivered: list[Waiting] = []
    dead: list[Dead] = []
    attempts = claim.attempts
    answered = False
    for reading in claim.readings:
        if not keep_on():
            break
        outcome = send(reading)
        match outcome:
            case Delivered():
                delivered.append(reading)
                attempts, answered = 0, True
            case Reject(error):
                log.error("%s: parked, the backend will never take it: %s", name(reading), error)
                dead.append(Dead(reading, attempts + 1, error))
                attempts, answered = 0, True
            case Retry(error, after_s, device_only):
                attempts += 1
                answered = answered or device_only
                if device_only and attempts >= UNKNOWN_SENSOR_ATTEMPTS:
                    log.error("%s: parked after %s attempts: %s", name(reading), attempts, error)
                    dead.append(Dead(reading, attempts, error))
                    attempts = 0
                    continue
                pause_s = delay_s(attempts, random, asked_s=after_s)
                if not device_only:  # the breaker paces attempts while the backend is down; this device is not at fault
                    pause_s = min(pause_s, max(BACKEND_DOWN_PAUSE_S, after_s or 0.0))
                log.warning("%s: attempt %s failed, next in %.1f s: %s", name(reading), attempts, pause_s, error)
                settlement = Settlement(claim.device_id, delivered, dead, attempts, pause_s, error)
                failed = None if device_only else outcome
                return Report(settlement, more=False, backend_failed=failed, backend_answered=answered)
    finished = len(delivered) + len(dead) == len(claim.readings)
    settlement = Settlement(claim.device_id, delivered, dead, attempts)
    return Report(settlement, more=not (finished and claim.whole), backend_failed=None, backend_answered=answered)


def name(reading: Waiting) -> str:
    """A reading as the log names it."""
    return f"device {reading.device_id}, reading {reading.reading_id}, key {reading.idempotency_key}"
