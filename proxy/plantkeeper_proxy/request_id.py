"""A name for each request, which the log gives and which a sender may bring along. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from itertools import count

HEADER = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_ids(start: str | None = None) -> Iterator[str]:
    """Names that no other process makes.

    Args:
        start: of every name; None: 8 random hexadecimal digits.
    """
    start = secrets.token_hex(4) if start is None else start
    return (f"{start}-{number}" for number in count(1))


def sent_id(header: str | None) -> str | None:
    """The id in an X-Request-Id header; None where there is none, or it is not 1–64 letters, digits, `.`, `_`, `-`."""
    return header if header is not None and _VALID.fullmatch(header) else None
