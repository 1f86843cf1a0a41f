"""Carries the request out, sends a part of the answer, and closes the connection."""

from dataclasses import replace

from plantkeeper_sim.backend.answers import Answer, Request
from plantkeeper_sim.backend.faults import Sound


class Fault(Sound):
    """An answer that breaks off.

    Args:
        share: how much of the answer's bytes is sent, more than 0 and less than 1. The sensor's JSON is about half of
            them, so 0.5 breaks off between the headers and the body's end, 0.05 within the first line.
    """

    def __init__(self, *, share: float = 0.5) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share {share}; expected more than 0 and less than 1")
        self._share = share

    def after(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002
        """A part of it."""
        return replace(answer, sent_share=self._share)
