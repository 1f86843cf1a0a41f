"""Keeps keys, passphrases and tokens out of what is recorded. Pure.

A board's key goes over the console once, in `CONF:KEY`, and a wireless network's passphrase in `CONF:WIFI:PASS`
(docs/console.md); no reply and no event holds them, and a signature is made of the key but does not tell it. A board
sends no credentials in HTTP either. What looks like one all the same is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "<secret>"
_WRITE_ONLY = r"(?i:\bCONF(?:IGURE)?:(?:KEY|WIFI:PASS(?:PHRASE)?))[ \t]+"
_SUSPICIOUS = (
    (re.compile(rf"{_WRITE_ONLY}(?!{HIDDEN})\S"), "a CONF:KEY or CONF:WIFI:PASS command"),
    (re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"), "64 hexadecimal digits, as a board's key has"),
    (re.compile(r"(?im)^(?:proxy-)?(?:authorization|cookie)[ \t]*:"), "a header with credentials"),
)


def hidden(command: str) -> str:
    """A console command without the key or the passphrase in it."""
    return re.sub(rf"({_WRITE_ONLY})[^\r\n]+", rf"\1{HIDDEN}", command)


def find(texts: Iterable[str]) -> str | None:
    """What of it looks like a key or a token, in words; None where nothing does."""
    for text in texts:
        for pattern, what in _SUSPICIOUS:
            if pattern.search(text):
                return what
    return None
