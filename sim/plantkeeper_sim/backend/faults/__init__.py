"""What can go wrong with the backend, one fault a module; a new one is a new file here.

A module has a class `Fault` whose keyword arguments are the fault's settings, and whose method
`before(request)` or `after(request, answer)` says what happens instead.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, Protocol

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.errors import BackendError


class CloseConnection(Exception):  # noqa: N818 - an order, not an error
    """Close the connection without a (further) answer."""


class Fault(Protocol):
    """What every fault can do."""

    def before(self, request: Request) -> Answer | None:
        """An answer instead of the real one, or None; may raise CloseConnection."""

    def after(self, request: Request, answer: Answer) -> Answer:
        """The answer to send, once the request was carried out; may raise CloseConnection."""

    @property
    def delay_s(self) -> float:
        """Seconds to wait before the request is looked at."""

    @property
    def answer_delay_s(self) -> float:
        """Seconds to wait between carrying the request out and answering."""


class Sound:
    """A fault that does nothing; base of the others."""

    delay_s: float = 0.0
    answer_delay_s: float = 0.0

    def before(self, request: Request) -> Answer | None:  # noqa: ARG002
        """Let it pass."""
        return None

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002
        """Leave it."""
        return answer


def names() -> list[str]:
    """All faults that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def make(name: str, settings: Mapping[str, Any]) -> Fault:
    """A fault by its name.

    Raises:
        BackendError: there is none of that name, or it has no such setting.
    """
    if name not in names():
        raise BackendError(f"no fault named {name!r}; there are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    try:
        fault: Fault = module.Fault(**settings)
    except (TypeError, ValueError) as error:
        raise BackendError(f"fault {name}: settings {dict(settings)} do not fit: {error}") from error
    return fault
