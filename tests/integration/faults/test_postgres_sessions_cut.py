"""PostgreSQL ends our sessions again and again (an administrator, a failover, a pooler that restarts), mid-commit too.

A batch whose COMMIT was sent when the session went may be stored or not: a gateway that sends it again by itself
stores readings of boards without keys twice.
"""

import pytest

from plantkeeper_hil.faults.database import cut_sessions
from plantkeeper_hil.faults.trial import Trial


@pytest.mark.fault
def test_postgres_sessions_cut(trial: Trial) -> None:
    trial.reach(0.1)
    trial.allow(0.9)
    cuts = 40 if trial.size.full else 8
    sessions = 0
    for cut in range(cuts):
        trial.wait(0.1 + 0.7 * (cut + trial.random.random()) / cuts)
        sessions += cut_sessions(trial.world.execute)
    trial.finish(cuts=cuts, sessions_cut=sessions)
    assert sessions >= cuts / 2, "most cuts met nobody: the gateway was away, or the load was over"
