"""What one connection may cost: sizes, times and counts, with the defaults that docs/gateway.md lists."""

from __future__ import annotations

from dataclasses import dataclass

from plantkeeper_proxy.message import BODY_LIMIT

CONNECTIONS = 2_000


@dataclass(frozen=True)
class HttpLimits:
    """Limits of the server; boards in the field stay far below each of them.

    Args:
        body_bytes: of a request's content; more is answered 413.
        head_bytes: of request line and headers; more is answered 431.
        headers: of a request; more are answered 431.
        chunk_bytes: of sizes, extensions and trailers that a chunked body may have around its content.
        read_ahead_bytes: taken from a sender while its last request is answered; then it has to wait.
        request_s: from a connection's or a request's first byte to its last; then 408.
        idle_s: a connection without a request is kept so long after an answer.
        flush_s: an answer that its reader does not take is given up after so long.
        linger_s: after a refusal, what the sender still sends is thrown away for so long: closing at once would
            destroy the answer on its way (RFC 9112 section 9.6).
        linger_bytes: most that is thrown away.
        lingering: most connections that linger; one more is closed at once.
        connections: at once, lingering ones not counted.
        yield_s: when all connections are taken, the oldest one that has let us wait for so long goes for a new one.
    """

    body_bytes: int = BODY_LIMIT
    head_bytes: int = 8192
    headers: int = 64
    chunk_bytes: int = 4096
    read_ahead_bytes: int = 16_384
    request_s: float = 10.0
    idle_s: float = 5.0
    flush_s: float = 10.0
    linger_s: float = 1.0
    linger_bytes: int = 1 << 20
    lingering: int = 256
    connections: int = CONNECTIONS
    yield_s: float = 0.5
