"""Answers with an error status and does nothing."""

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import Sound


class Fault(Sound):
    """A backend in trouble.

    Args:
        status: HTTP status of the answer.
    """

    def __init__(self, *, status: int = 500) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"status {status}; expected 400…599")
        self._status = status

    def before(self, request: Request) -> Answer | None:  # noqa: ARG002
        """The error."""
        return Answer(self._status, {"statusCode": self._status, "message": "Internal server error"})
