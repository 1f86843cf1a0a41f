"""A light-emitting diode: remembers when it was switched."""

from __future__ import annotations

from plantkeeper_sim.wires import Wire


class Led:
    """An LED, lit while its wire is high.

    Args:
        wire: the pin it hangs on.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.edges: list[tuple[int, bool]] = []
        wire.watch(lambda level, cycles: self.edges.append((cycles, level)))

    @property
    def lit(self) -> bool:
        """True while it shines."""
        return self._wire.level
