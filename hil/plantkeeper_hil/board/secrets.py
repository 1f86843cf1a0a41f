"""Keeps keys and tokens out of what is recorded. Pure.

A board's key goes over the console once, in `CONF:KEY` (docs/console.md); no reply and no event holds it, and a
signature is made of it but does not tell it. A board sends no credentials in HTTP either. What looks like one all the
same is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "<secret>"
_KEY_COMMAND = re.compile(r"(?i)(\bCONF(?:IGURE)?:KEY[ \t]+)[^\r\n]+")
_SUSPICIOUS = (
    (re.compile(rf"(?i)\bCONF(?:IGURE)?:KEY[ \t]+(?!{HIDDEN})\S"), "a CONF:KEY command"),
    (re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"), "64 hexadecimal digits, as a board's key has"),
    (re.compile(r"(?im)^(?:proxy-)?(?:authorization|cookie)[ \t]*:"), "a header with credentials"),
)


def hidden(command: str) -> str:
    """A console command without the key in it."""
    return _KEY_COMMAND.sub(rf"\1{HIDDEN}", command)


def find(texts: Iterable[str]) -> str | None:
    """What of it looks like a key or a token, in words; None where nothing does."""
    for text in texts:
        for pattern, what in _SUSPICIOUS:
            if pattern.search(text):
                return what
    return None
