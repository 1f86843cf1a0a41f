"""Takes the request, closes the connection without an answer and does nothing."""

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import CloseConnection, Sound


class Fault(Sound):
    """A front whose backend is down."""

    def before(self, request: Request) -> Answer | None:  # noqa: ARG002
        """Close."""
        raise CloseConnection
