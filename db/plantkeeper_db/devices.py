"""Which devices a command is about. Pure."""

from __future__ import annotations

import re

from plantkeeper_db.errors import UsageError

MAX_ID = 2**31 - 1
MAX_DEVICES = 100_000
_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def parse_devices(text: str) -> list[int]:
    """The ids in a list such as `1-3,7`, sorted and without repeats.

    Raises:
        UsageError: it is no such list, an id is not 1…2147483647, or there are more than 100 000.
    """
    ids: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"--devices {text!r}: {part!r} is neither an id nor a range; expected such as 1-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= MAX_ID:
            raise UsageError(f"--devices {text!r}: {part!r} is not within 1…{MAX_ID}, lower id first")
        if len(ids) + last - first >= MAX_DEVICES:
            raise UsageError(f"--devices {text!r}: more than {MAX_DEVICES} devices; seed them in several calls")
        ids.update(range(first, last + 1))
    return sorted(ids)
