"""Inserting fails as on a full disk: a trigger raises `disk_full`, SQLSTATE 53100, as a client would see it.

Runs everywhere. That PostgreSQL itself gets through is shown by `test_disk_full_for_real.py`, where one may mount.
"""

import pytest

from plantkeeper_hil.faults.trial import Trial

BREAK = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE disk_full USING MESSAGE = 'could not extend file "base/1/1": No space left on device';
END $$;
CREATE TRIGGER no_space BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION no_space();
"""
MEND = "DROP TRIGGER no_space ON reading; DROP FUNCTION no_space"


@pytest.mark.fault
def test_disk_full(trial: Trial) -> None:
    trial.reach(0.2)
    trial.allow(0.7)
    trial.wait(0.3)
    trial.world.execute(BREAK)
    before = trial.load.acknowledged  # whoever was in a transaction is through: the trigger waited for its lock
    trial.hold(full=10.0, short=0.5)
    taken_meanwhile = trial.load.acknowledged - before
    trial.world.execute(MEND)
    result = trial.finish()
    assert taken_meanwhile <= trial.size.devices, "acknowledged, though nothing could be stored"
    assert result.answers["503"] > 0
