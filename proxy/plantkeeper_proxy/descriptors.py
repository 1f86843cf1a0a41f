"""How many connections the process can hold: each takes a file descriptor."""

from __future__ import annotations

import resource

RESERVE = 64  # log, database, event loop, listening socket, Python's own files


def raise_limit() -> int:
    """Raise the process's limit of open files to the most that it may have; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def affordable(connections: int, lingering: int, descriptors: int) -> int:
    """How many of the connections that are wanted fit, at least one. Pure.

    Args:
        connections: that are wanted.
        lingering: refused ones that may be open besides.
        descriptors: that the process may have; resource.RLIM_INFINITY, which is negative, for any number.
    """
    if descriptors < 0:
        return connections
    return max(1, min(connections, descriptors - lingering - RESERVE))
