"""Each fault does what its settings say, and refuses settings that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from plantkeeper_sim.backend import faults
from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.errors import BackendError

REQUEST = Request("PATCH", "/api/v1/sensors/1", {}, b"{}")
REAL = Answer(200, {"id": 1})


def test_a_status_may_ask_for_a_pause() -> None:
    answer = faults.make("status", {"status": 503, "retry_after_s": 7}).before(REQUEST)
    assert answer is not None
    assert (answer.status, answer.headers) == (503, (("Retry-After", "7"),))
    plain = faults.make("status", {"status": 413, "message": "request entity too large"}).before(REQUEST)
    assert plain is not None
    assert (plain.headers, plain.body) == ((), {"statusCode": 413, "message": "request entity too large"})


def test_half_an_answer_is_the_real_one_with_a_share() -> None:
    fault = faults.make("half_answer", {"share": 0.25})
    assert fault.before(REQUEST) is None
    answer = fault.after(REQUEST, REAL)
    assert (answer.status, answer.body, answer.sent_share) == (200, {"id": 1}, 0.25)


def test_a_late_answer_is_late_after_the_work_only() -> None:
    fault = faults.make("late_answer", {"seconds": 2.5})
    assert (fault.delay_s, fault.answer_delay_s) == (0.0, 2.5)
    assert (fault.before(REQUEST), fault.after(REQUEST, REAL)) == (None, REAL)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("status", {"status": 200}),
        ("status", {"retry_after_s": -1}),
        ("half_answer", {"share": 0}),
        ("half_answer", {"share": 1}),
        ("late_answer", {"seconds": 61}),
        ("delay", {"seconds": -1}),
        ("late_answer", {"minutes": 1}),
        ("nonsense", {}),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(BackendError):
        faults.make(name, settings)
