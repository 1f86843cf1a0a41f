"""Carries the request out, sends a part of the answer, and closes the connection."""

from dataclasses import replace

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import Sound


class Fault(Sound):
    """An answer that breaks off.

    Args:
        share: how much of the answer's bytes is sent, more than 0 and less than 1. The sensor's JSON is about half of
            them: 0.75 breaks off within it, 0.02 within the first line. (Within the headers, Python's own client and
            all that stand on it see a 200 without a body.)
    """

    def __init__(self, *, share: float = 0.75) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share {share}; expected more than 0 and less than 1")
        self._share = share

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002
        """A part of it."""
        return replace(answer, sent_share=self._share)
