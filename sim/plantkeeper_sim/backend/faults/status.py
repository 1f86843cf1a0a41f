"""Answers with an error status and does nothing."""

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import Sound


class Fault(Sound):
    """A backend in trouble.

    Args:
        status: HTTP status of the answer.
        retry_after_s: what its header Retry-After says; None sends none.
        message: what its body says.
    """

    def __init__(
        self, *, status: int = 500, retry_after_s: int | None = None, message: str = "Internal server error"
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"status {status}; expected 400…599")
        if retry_after_s is not None and not 0 <= retry_after_s <= 86_400:
            raise ValueError(f"retry_after_s {retry_after_s}; expected 0…86400")
        self._status, self._message = status, message
        self._headers = () if retry_after_s is None else (("Retry-After", str(retry_after_s)),)

    def before(self, request: Request) -> Answer | None:  # noqa: ARG002
        """The error."""
        return Answer(self._status, {"statusCode": self._status, "message": self._message}, headers=self._headers)
