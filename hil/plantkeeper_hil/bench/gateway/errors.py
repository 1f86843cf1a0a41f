"""Errors of the benchmarks.

HilError
└── BenchError           base
    ├── LoadError        the load generator failed
    └── PeerError        a server under load cannot be started or measured here
"""

from __future__ import annotations

from plantkeeper_hil.errors import HilError


class BenchError(HilError):
    """Base of the benchmarks' errors."""


class LoadError(BenchError):
    """The load generator failed."""


class PeerError(BenchError):
    """A server under load cannot be started or measured here."""
