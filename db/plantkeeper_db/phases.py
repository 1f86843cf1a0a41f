"""Which migrations may run while the gateway of before still does, and from which gateway on a schema works. Pure.

A release has its `pre` migrations first: gateways of the release before go on working on what they make. Then come the
new gateways, which need what they made; then its `post` migrations, which take away what only old gateways needed. A
release with a `post` migration has at least one `pre` migration, since gateways are told apart by the newest one that
they need. What cannot be had without a stop is a `post` migration without one: 0001 to 0004 are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plantkeeper_db.errors import UsageError

PRE, POST = "pre", "post"
PHASES = (PRE, POST)


@dataclass(frozen=True)
class Migration:
    """A migration, as far as its order matters.

    Args:
        revision: its name.
        phase: `pre` or `post`.
    """

    revision: str
    phase: str


def to_apply(pending: Sequence[Migration], phase: str | None) -> tuple[str, ...]:
    """Which of the pending migrations are applied, oldest first.

    Args:
        pending: oldest first.
        phase: `pre`: those that gateways of before do not mind; `post`: the others; None: all.

    Raises:
        UsageError: migrations of the other phase have to be applied first.
    """
    ahead = next((index for index, one in enumerate(pending) if one.phase == POST), len(pending))
    if phase is None:
        return tuple(one.revision for one in pending)
    if phase == PRE:
        if ahead == 0 and any(one.phase == PRE for one in pending):
            raise UsageError(
                f"--phase pre: {pending[0].revision} is a post migration and comes first; finish the release that it "
                "belongs to with --phase post, or stop the gateways and migrate without --phase"
            )
        return tuple(one.revision for one in pending[:ahead])
    late = [one.revision for one in pending if one.phase == PRE]
    if late:
        raise UsageError(
            f"--phase post: {', '.join(late)} of phase pre are pending; apply them with --phase pre and bring up the "
            "new gateways first, or stop the gateways and migrate without --phase"
        )
    return tuple(one.revision for one in pending)


def works_since(applied: Sequence[Migration]) -> str | None:
    """The revision that a gateway must need at least to work on a schema; None where there is no schema.

    Args:
        applied: oldest first.
    """
    since, newest_pre = None, None
    for one in applied:
        if one.phase == PRE:
            newest_pre = one.revision
        else:
            since = newest_pre or one.revision
    return since or (applied[0].revision if applied else None)
