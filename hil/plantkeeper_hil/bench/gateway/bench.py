"""What every scenario is given: where it takes place, how long it may take, and whom it compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plantkeeper_hil.bench.gateway.backend import Backend
from plantkeeper_hil.bench.gateway.load import closed_loop
from plantkeeper_hil.bench.gateway.peers.base import Entrant, Peer
from plantkeeper_hil.bench.gateway.place import Site
from plantkeeper_hil.bench.gateway.settle import settle
from plantkeeper_hil.bench.gateway.wire import Posting, posting_for
from plantkeeper_hil.errors import HilError

WARM_UP_S = 1.0
BOARDS = 64
FEW_ROUNDS = 3  # are enough where the difference is large


@dataclass(frozen=True)
class Plan:
    """How long and how often.

    Args:
        rounds: in which all servers are measured once each.
        duration_s: of a closed-loop load.
        offered_s: of an open-loop load at a low rate.
        drain_s: for which the drain of a backlog is watched.
        backlog: readings in it.
        soak_s: of the watch over memory; 0 leaves it out.
        devices: that readings are from.
    """

    rounds: int = 5
    duration_s: float = 3.0
    offered_s: float = 10.0
    drain_s: float = 20.0
    backlog: int = 1_000_000
    soak_s: float = 120.0
    devices: int = 1000


@dataclass(frozen=True)
class Bench:
    """One run.

    Args:
        yardstick, ours: the two that every scenario compares.
        others: further peers, for the scenario that compares all.
        open_loop: the program of the open loop.
        boots: gives a boot counter that was never used.
        say: takes a line for the person who waits.
        found: what one scenario found that another can start from.
    """

    site: Site
    plan: Plan
    yardstick: Peer
    ours: Peer
    others: Sequence[Peer]
    open_loop: Path
    boots: Callable[[], int]
    say: Callable[[str], None]
    found: dict[str, float] = field(default_factory=dict)

    def posting(self, entrant: Entrant, posting: Posting | None = None) -> Posting:
        """How boards post to a server: this project's firmware or the field's, with a `Host` header only if need be."""
        given = posting or Posting()
        return posting_for(given, needs_host=entrant.peer.needs_host, devices=self.plan.devices, boot=self.boots())

    def settle(self, entrant: Entrant) -> None:
        """Let a server deliver what it accepted; says so where that takes too long."""
        left = settle(entrant.running)
        if left:
            self.say(
                f"{entrant.name} still has {left} readings waiting: what follows is measured beside their delivery"
            )

    @contextmanager
    def entrants(self, backend: Backend, peers: Sequence[Peer], *, settled: bool = True) -> Iterator[list[Entrant]]:
        """Servers that run and are warm: connections, caches and statistics as in steady running.

        One of the others that does not come up is said so and left out.

        Args:
            settled: whether what they accepted while they became warm is delivered first.
        """
        with ExitStack() as stack:
            started: list[Entrant] = []
            for peer in peers:
                try:
                    running = stack.enter_context(self.site.server(peer, backend))
                except HilError as error:
                    if peer not in self.others:
                        raise
                    self.say(f"{peer.name} is left out: {error}")
                    continue
                entrant = Entrant(peer, running)
                closed_loop(running.port, self.posting(entrant), boards=BOARDS, duration_s=WARM_UP_S)
                if settled:
                    self.settle(entrant)
                started.append(entrant)
            yield started
