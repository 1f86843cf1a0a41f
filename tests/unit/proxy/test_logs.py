"""Log lines: one an event, with its fields, and never a secret; refusals cannot fill a disk."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy import logs
from plantkeeper_proxy.redact import Redactor
from plantkeeper_proxy.refusal_log import EVERY_S, SENDERS_LIMIT, RefusalLog
from plantkeeper_proxy.request_id import request_ids, sent_id
from plantkeeper_proxy.settings import LogSettings

SECRET = 'p"ä/ss word'


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    yield
    root.handlers[:], sys.excepthook = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_line_has_its_fields_and_no_secret(kind: str) -> None:
    stream = io.StringIO()
    logs.configure(LogSettings("info", kind, (SECRET,)), stream)
    log = logging.getLogger("plantkeeper_proxy.test")
    log.debug("not this")
    log.warning("bad %s", SECRET, extra={"device": 7, "reason": f"x{SECRET}x", "status": None, "latency_s": 0.5})
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        log.exception("failed")
        sys.excepthook(ValueError, error, error.__traceback__)
    text = stream.getvalue()
    assert SECRET not in text
    assert "p%22%C3%A4" not in text
    if kind == "json":
        first, second, third = (json.loads(line) for line in text.splitlines())
        assert first.pop("time").endswith("Z")
        assert first == {
            "level": "warning",
            "logger": "plantkeeper_proxy.test",
            "message": "bad (hidden)",
            "device": 7,
            "reason": "x(hidden)x",
            "latency_s": 0.5,
        }
        assert second["exception"].endswith("ValueError: (hidden)")
        assert (third["level"], third["message"]) == ("critical", "uncaught: (hidden)")
    else:
        assert "Z WARNING plantkeeper_proxy.test: bad (hidden) device=7 reason=x(hidden)x latency_s=0.5\n" in text


@given(st.text(), st.dictionaries(st.sampled_from(["device", "reason"]), st.text() | st.floats() | st.integers()))
@pytest.mark.parametrize("formatter", [logs.JsonFormatter, logs.TextFormatter])
def test_whatever_is_logged_is_one_line(
    formatter: type[logs.LineFormatter], said: str, fields: dict[str, object]
) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (said,), "levelname": "INFO", "name": "x", **fields})
    line = formatter(Redactor(())).format(record)
    assert "\n" not in line
    assert "\r" not in line
    if formatter is logs.JsonFormatter:
        assert json.loads(line, parse_constant=pytest.fail)["message"] == said


@given(st.text(min_size=4), st.text(), st.text())
def test_a_secret_never_stays(secret: str, before: str, after: str) -> None:
    redacted = Redactor((secret,))(before + secret + after)
    assert secret not in redacted or secret in "(hidden)"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_repeats_become_a_count_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = RefusalLog(monotonic_s=clock)
    for _ in range(1000):
        refusals.say("no", address="192.0.2.1", reason="invalid", status=400, request_id="r", device=7)
    refusals.say("no", address="192.0.2.2", reason="invalid", status=400)
    assert [record.message for record in caplog.records] == [
        "refused a request from 192.0.2.1: no",
        "refused a request from 192.0.2.2: no",
    ]
    assert vars(caplog.records[0])["request_id"] == "r"
    clock.now_s = EVERY_S
    refusals.sweep()
    assert caplog.records[-1].message == "refused 999 more requests from 192.0.2.1, the last: no"
    refusals.say("no", address="192.0.2.1", reason="invalid", status=400)
    assert len(caplog.records) == 3
    clock.now_s += EVERY_S
    refusals.say("no", address="192.0.2.2", reason="invalid", status=400)  # told again: it was quiet for a minute
    assert len(caplog.records) == 5
    clock.now_s += 10 * EVERY_S
    refusals.sweep()
    clock.now_s += EVERY_S
    refusals.sweep()
    assert len(caplog.records) == 5


def test_a_flood_from_many_addresses_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = RefusalLog(monotonic_s=clock)
    for number in range(3 * SENDERS_LIMIT):
        refusals.say("no", address=f"a{number}", reason="invalid", status=400)
    assert len(caplog.records) == SENDERS_LIMIT
    clock.now_s = EVERY_S
    refusals.sweep()
    assert caplog.records[-1].message == f"refused {2 * SENDERS_LIMIT} more requests from others, the last: no"


def test_request_ids() -> None:
    ids = request_ids("a")
    assert [next(ids), next(ids)] == ["a-1", "a-2"]
    assert next(request_ids()) != next(request_ids())
    assert sent_id("abc-1_2.Z") == "abc-1_2.Z"
    assert [sent_id(bad) for bad in (None, "", "a b", "x" * 65, "a\n", "ä", '"')] == [None] * 7
