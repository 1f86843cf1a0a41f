"""Carries the request out at once and answers late, as a backend does that is slow after its commit."""

from plantkeeper_sim.backend.faults import Sound
from plantkeeper_sim.backend.faults.delay import LONGEST_S


class Fault(Sound):
    """An answer that takes long.

    Args:
        seconds: how late, at most 60.
    """

    def __init__(self, *, seconds: float = 30.0) -> None:
        if not 0 <= seconds <= LONGEST_S:
            raise ValueError(f"{seconds} seconds; expected 0…{LONGEST_S:g}")
        self.answer_delay_s = seconds
