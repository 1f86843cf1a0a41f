"""Answers late."""

from plantkeeper_sim.backend.faults import Sound

LONGEST_S = 60.0


class Fault(Sound):
    """A slow backend.

    Args:
        seconds: how late, at most 60.
    """

    def __init__(self, *, seconds: float = 1.0) -> None:
        if not 0 <= seconds <= LONGEST_S:
            raise ValueError(f"{seconds} seconds; expected 0…{LONGEST_S:g}")
        self.delay_s = seconds
