"""Log lines: one an event, JSON for machines or text for people, and never a secret in either."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from plantkeeper_proxy.redact import Redactor
from plantkeeper_proxy.settings import LogSettings

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """A record as one line; what `extra` gave becomes fields.

    Args:
        redact: takes secrets out of a text.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _PLAIN and value is not None:
                fields.setdefault(name, value if isinstance(value, int | float) else self._redact(str(value)))
        if record.exc_info:
            fields["exception"] = self._redact(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = self._redact(record.stack_info)
        return self.write(fields)

    def write(self, fields: Mapping[str, Any]) -> str:
        """The fields as a line."""
        raise NotImplementedError


class JsonFormatter(LineFormatter):
    """One JSON object a line."""

    def write(self, fields: Mapping[str, Any]) -> str:
        """The fields as JSON; NaN and infinities, which JSON has not, as text."""
        safe = {name: value if _is_json(value) else str(value) for name, value in fields.items()}
        return json.dumps(safe, ensure_ascii=False, separators=(",", ":"))


def _is_json(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


class TextFormatter(LineFormatter):
    """Time, level, logger, message, then the other fields; a trace back is indented below."""

    def write(self, fields: Mapping[str, Any]) -> str:
        """The fields as text; line ends within are shown as `\\n`, so that nobody can forge a line."""
        rest = dict(fields)
        head = [str(rest.pop(name)) for name in ("time", "level", "logger")]
        below = [str(rest.pop(name)) for name in ("exception", "stack") if name in rest]
        message = _one_line(str(rest.pop("message")))
        pairs = "".join(f" {name}={_one_line(str(value))}" for name, value in rest.items())
        lines = "".join("\n    " + part for text in below for part in text.splitlines())
        return f"{head[0]} {head[1].upper()} {head[2]}: {message}{pairs}{lines}"


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send all logging, warnings and uncaught exceptions to a stream.

    Args:
        settings: level, format, secrets to hide.
        stream: None: standard error.
    """
    kind = JsonFormatter if settings.format == "json" else TextFormatter
    handler = logging.StreamHandler(stream)
    handler.setFormatter(kind(Redactor(settings.secrets)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("plantkeeper_proxy").critical("uncaught: %s", error, exc_info=(kind, error, trace))
