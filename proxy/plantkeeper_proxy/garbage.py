"""How the garbage collector is set for a process that serves for months."""

from __future__ import annotations

import gc

OBJECTS = 20_000  # a request makes some hundred, hardly any of them in a cycle


def settle() -> None:
    """Once all is set up: what is there by now stays, and the collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)
