"""Carries the request out, then closes the connection without an answer: the sender cannot know."""

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import CloseConnection, Sound


class Fault(Sound):
    """An answer that got lost."""

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002
        """Close."""
        raise CloseConnection
