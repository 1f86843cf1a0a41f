"""Upgrades in two phases: every gateway that runs beside a migration works on what it leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_db.errors import UsageError
from plantkeeper_db.phases import PHASES, POST, PRE, Migration, to_apply, works_since


@st.composite
def releases(draw: st.DrawFn) -> list[list[Migration]]:
    """Releases, each with `pre` migrations, and `post` migrations after them or not."""
    count, made = 0, []
    for _ in range(draw(st.integers(1, 5))):
        phases = [PRE] * draw(st.integers(1, 3)) + [POST] * draw(st.integers(0, 3))
        made.append([Migration(f"{count + n:04}", phase) for n, phase in enumerate(phases, 1)])
        count += len(phases)
    return made


@given(releases())
def test_no_gateway_is_ever_on_a_schema_that_it_does_not_work_on(chain: list[list[Migration]]) -> None:
    """As an operator upgrades: pre, new gateways, post; release by release."""
    applied: list[Migration] = list(chain[0])
    old = max(one.revision for one in chain[0] if one.phase == PRE)
    for release in chain[1:]:
        needed = max(one.revision for one in release if one.phase == PRE)
        pending = list(release)
        for phase, gateways in ((PRE, (old, needed)), (POST, (needed,))):
            done = to_apply(pending, phase)
            applied += pending[: len(done)]
            pending = pending[len(done) :]
            since = works_since(applied)
            assert since is not None
            for gateway in gateways:
                assert since <= gateway <= applied[-1].revision
        assert not pending
        if any(one.phase == POST for one in release):
            since = works_since(applied)
            assert since is not None
            assert since > old  # the gateways of before are told that it is no longer theirs
        old = needed


@given(releases(), st.sampled_from([None, *PHASES]))
def test_what_is_applied_comes_first_and_is_of_the_phase(chain: list[list[Migration]], phase: str | None) -> None:
    pending = [one for release in chain for one in release]
    try:
        done = to_apply(pending, phase)
    except UsageError:
        assert phase == POST
        return
    assert done == tuple(one.revision for one in pending[: len(done)])
    assert all(phase in (None, one.phase) for one in pending[: len(done)])
    assert len(done) == len(pending) or pending[len(done)].phase == POST


def test_the_other_phase_first() -> None:
    skipped = [Migration("0005", POST), Migration("0006", PRE)]
    with pytest.raises(UsageError, match="0005 is a post migration and comes first"):
        to_apply(skipped, PRE)
    with pytest.raises(UsageError, match="0006 of phase pre are pending"):
        to_apply(skipped, POST)
    assert to_apply(skipped, None) == ("0005", "0006")
    assert to_apply([Migration("0005", POST)], PRE) == ()
    assert to_apply([], POST) == ()


def test_a_post_migration_alone_is_a_stop() -> None:
    assert works_since([]) is None
    assert works_since([Migration("0001", POST), Migration("0002", POST)]) == "0002"
    assert works_since([Migration("0001", POST), Migration("0002", PRE)]) == "0001"
    assert works_since([Migration("0001", PRE)]) == "0001"
