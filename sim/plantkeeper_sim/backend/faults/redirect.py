"""Redirects elsewhere, which a gateway must not follow."""

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import Sound


class Fault(Sound):
    """A 308 to another host.

    Args:
        location: where to.
    """

    def __init__(self, *, location: str = "https://localhost:1/elsewhere") -> None:
        self.location = location

    def before(self, request: Request) -> Answer | None:  # noqa: ARG002
        """The redirect."""
        return Answer(308, {"location": self.location})
