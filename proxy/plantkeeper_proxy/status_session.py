"""Who may see the status page: whoever has the token, or a cookie that was made from it. Pure.

The cookie holds an end and an HMAC over it under the token, so it opens no more than this page, ends by itself, is good
at every replica, and does not give the token away.
"""

from __future__ import annotations

import hmac

COOKIE = "plantkeeper_status"
SESSION_S = 12 * 3600
_PURPOSE = b"plantkeeper status page, until "


def is_token(given: str, token: str) -> bool:
    """Whether it is the token; takes as long whichever it is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def bearer_of(header: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750 section 2.1), or None."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def session(token: str, *, epoch_s: float) -> str:
    """A cookie's value, good for 12 hours.

    Args:
        epoch_s: now.
    """
    end = str(int(epoch_s) + SESSION_S)
    return f"{end}.{_seal(end, token)}"


def is_session(value: str | None, token: str, *, epoch_s: float) -> bool:
    """Whether a cookie's value was made from the token, and is still good."""
    end, _, seal = (value or "").partition(".")
    if not (end.isascii() and end.isdecimal() and len(end) <= 12):
        return False
    good = hmac.compare_digest(seal.encode("utf-8", "surrogatepass"), _seal(end, token).encode())
    return good and epoch_s < int(end) <= epoch_s + SESSION_S


def _seal(end: str, token: str) -> str:
    return hmac.new(token.encode(), _PURPOSE + end.encode(), "sha256").hexdigest()
