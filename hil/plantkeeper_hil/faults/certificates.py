"""What a gateway must do where a server with a certificate that must be refused is in place of the backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import requests

from plantkeeper_hil.faults.impostor import Impostor
from plantkeeper_hil.faults.processes import ProcessWorld
from plantkeeper_hil.faults.trial import Trial
from plantkeeper_hil.faults.world import wait_for

ATTEMPTS = 2
ALARM_TIMEOUT_S = 60.0
GAUGE = "plantkeeper_certificate_ok"


@contextlib.contextmanager
def impostor_in_place_of_backend(
    world: ProcessWorld, tls_dir: Path, *, only_tls_1_1: bool = False
) -> Iterator[Impostor]:
    """The backend gives way to an impostor on its port; at the end it is back."""
    world.stop_backend(refuse=False)
    impostor = Impostor(world.backend_port.listener(), tls_dir, only_tls_1_1=only_tls_1_1)
    try:
        yield impostor
    finally:
        impostor.close()
        world.restart("backend")


def is_refused_and_sent_nothing(trial: Trial, tls_dir: Path, *, only_tls_1_1: bool = False) -> None:
    """Run the trial with an impostor for a while: it gets not one byte of a request; then all is delivered."""
    trial.reach(0.2)
    trial.allow(0.4)
    trial.wait(0.3)
    with impostor_in_place_of_backend(trial.world, tls_dir, only_tls_1_1=only_tls_1_1) as impostor:
        before = trial.world.journal_length()
        trial.allow(0.8)
        wait_for(lambda: impostor.refused >= ATTEMPTS, "the impostor's refusal", timeout_s=trial.size.patience_s)
        trial.hold(full=10.0, short=0.2)
        trial.wait(0.8)
        assert trial.world.journal_length() == before
    assert bytes(impostor.received) == b"", f"the impostor was sent {bytes(impostor.received[:200])!r}"
    assert impostor.refused == impostor.connections, "the impostor was talked to"
    result = trial.finish(connections_refused=impostor.refused, reasons=dict(impostor.failures))
    assert set(result.answers) == {"200"}, "boards were to notice nothing"


def raises_an_alarm_until_mended(world: ProcessWorld, tls_dir: Path, *, only_tls_1_1: bool = False) -> None:
    """`/readyz` has an alarm about the certificate and `/metrics` says 0 while the impostor is there, and no longer."""

    def alarms() -> list[str]:
        found = world.readyz().get("alarms")
        assert isinstance(found, list), f"/readyz has no list of alarms: {world.readyz()}"
        return [str(alarm) for alarm in found if "certificate" in str(alarm).lower()]

    with impostor_in_place_of_backend(world, tls_dir, only_tls_1_1=only_tls_1_1):
        body = {"id": 1, "temperature": 21, "humidity": 40, "light": 900}
        answer = requests.post(f"{world.gateway_url}/sensor-data", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        wait_for(lambda: bool(alarms()), "an alarm about the certificate", timeout_s=ALARM_TIMEOUT_S)
        wait_for(lambda: world.metric(GAUGE) == 0, f"{GAUGE} 0", timeout_s=ALARM_TIMEOUT_S)
    world.wait_drained(timeout_s=ALARM_TIMEOUT_S)
    wait_for(lambda: not alarms(), "the end of the alarm", timeout_s=ALARM_TIMEOUT_S)
    wait_for(lambda: world.metric(GAUGE) == 1, f"{GAUGE} 1", timeout_s=ALARM_TIMEOUT_S)
