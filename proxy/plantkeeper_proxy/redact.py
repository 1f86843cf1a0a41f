"""Takes secrets out of texts that people see: the second line of defence, the first being not to write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

HIDDEN = "(hidden)"
SHORTEST = 4  # a password such as "a" cannot be told from text
PASSWORDS = ("password", "sslpassword")


def passwords_of(dsn: str) -> tuple[str, ...]:
    """The passwords in a libpq connection string or URL; none where libpq cannot read it."""
    try:
        parts = parse_dsn(dsn)
    except psycopg2.Error:
        return ()
    return tuple(parts[name] for name in PASSWORDS if parts.get(name))


def hide_password(dsn: str) -> str:
    """A connection string as it may be shown: as libpq understands it, without passwords."""
    try:
        parts = parse_dsn(dsn)
    except psycopg2.Error:
        return "(not a connection string)"
    return str(make_dsn(**{name: HIDDEN if name in PASSWORDS else value for name, value in parts.items()}))


class Redactor:
    """Takes known secrets out of a text, as they are and as URLs have them.

    Args:
        secrets: those shorter than 4 characters are left alone: they would hit words.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST}
        known |= {form for secret in known for form in (quote(secret), quote(secret, safe=""), ascii(secret)[1:-1])}
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)
