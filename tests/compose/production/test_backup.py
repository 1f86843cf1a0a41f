"""Backups: the database is destroyed under load, every acknowledged reading comes back; drills find what is gone."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from production_stack import ProductionStack, wait_for

SERVICES = ("db", "backup", "gateway", "front")
BOARDS = 4
BASES = "ls /backup/*/base"


def stored(stack: ProductionStack) -> set[str]:
    return {key for (key,) in stack.sql("SELECT device_id || ' ' || idempotency_key FROM reading")}


def destroy(stack: ProductionStack) -> None:
    """PostgreSQL is killed in the midst of things, and its volume removed."""
    container = stack.containers()["db"]["Id"]
    subprocess.run(["docker", "kill", container], check=True, stdout=subprocess.DEVNULL)
    stack.compose("stop", "gateway", "front")
    subprocess.run(["docker", "rm", container], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["docker", "volume", "rm", f"{stack.name}_db"], check=True, stdout=subprocess.DEVNULL)


class Load:
    """Boards that post one reading after the other, and remember which were acknowledged."""

    def __init__(self, stack: ProductionStack) -> None:
        self.acknowledged: set[str] = set()
        self._stack, self._stop = stack, threading.Event()
        self._pool = ThreadPoolExecutor(BOARDS)
        self._boards = [self._pool.submit(self._post, device) for device in range(1, BOARDS + 1)]

    def stop(self) -> set[str]:
        self._stop.set()
        for board in self._boards:
            board.result()
        self._pool.shutdown()
        return self.acknowledged

    def _post(self, device: int) -> None:
        sequence = 0
        while not self._stop.is_set():
            sequence += 1
            if self._stack.post(device, f"1-{sequence}", sequence % 2000, timeout_s=5) == 200:
                self.acknowledged.add(f"{device} 1-{sequence}")


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., ProductionStack]) -> ProductionStack:
    """Readings are acknowledged once the backup has them too."""
    made = make_stack(BACKUP_SYNCHRONOUS="1", BACKUP_KEEP="2")
    made.up("db", "backup")
    made.migrate()
    made.up(*SERVICES)
    return made


def backup(stack: ProductionStack, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return stack.compose("run", "--rm", "-T", "backup", *words, check=check)


def test_destroyed_under_load_and_restored(stack: ProductionStack) -> None:
    load = Load(stack)
    wait_for(lambda: len(load.acknowledged) >= 50, "50 readings")
    backup(stack, "now")
    further = len(load.acknowledged) + 50
    wait_for(lambda: len(load.acknowledged) >= further, "50 readings after the base backup")
    destroy(stack)
    acknowledged = load.stop()
    restored = stack.compose("run", "--rm", "-T", "restore").stdout
    assert "restored: " in restored
    stack.up(*SERVICES)
    assert acknowledged <= stored(stack)
    assert stack.post(5, "1-1") == 200
    assert "5 1-1" in stored(stack)


def test_after_a_restore_backups_go_on_and_a_drill_passes(stack: ProductionStack) -> None:
    timeline = "SELECT timeline_id FROM pg_control_checkpoint()"
    assert int(stack.sql(timeline)[0][0]) >= 2
    name = wait_for(lambda: newest_of_timeline(stack, 2), "a base backup of the new timeline")
    assert [stack.post(6, f"1-{n}") for n in range(1, 6)] == [200] * 5
    drilled = backup(stack, "drill").stdout
    count = stack.sql("SELECT count(*) FROM reading")[0][0]
    assert f"base backup {name} and the log: the same as the database" in drilled
    assert f"dump {name}: the same as the base backup" in drilled
    assert f"drill passed: all {count} readings are in the backup" in drilled


def newest_of_timeline(stack: ProductionStack, timeline: int) -> str:
    """The newest base backup, once it is of this timeline."""
    script = 'cd /backup/*/base && name=$(ls | sort | tail -n 1) && cat "$name/start-wal" && echo "$name"'
    start, name = stack.compose("exec", "-T", "backup", "bash", "-c", script).stdout.split()
    return name if int(start[:8], 16) >= timeline else ""


def test_a_drill_finds_that_the_log_is_missing(stack: ProductionStack) -> None:
    """And passes again once it is back: it was the log that it missed."""
    backup(stack, "now")
    assert [stack.post(7, f"1-{n}") for n in range(1, 6)] == [200] * 5
    shell = ("exec", "-T", "backup", "bash", "-c")
    stack.compose(*shell, "cd /backup/*/wal && for one in *; do mv $one ../away-$one; done")
    try:
        failed = backup(stack, "drill", check=False)
    finally:
        stack.compose(
            *shell, "cd /backup/*/ && for one in away-*; do rm -rf wal/${one#away-}; mv $one wal/${one#away-}; done"
        )
    assert failed.returncode == 1
    assert "drill failed" in failed.stderr
    assert "differs from the database" in failed.stderr
    assert "drill passed" in backup(stack, "drill").stdout


def test_old_backups_go_and_the_log_that_only_they_need(stack: ProductionStack) -> None:
    for _ in range(2):
        stack.sql("SELECT pg_switch_wal()")
        backup(stack, "now")
    script = (
        "cd /backup/*/ && ls base | wc -l && ls dump | wc -l && cat base/$(ls base | sort | head -n 1)/start-wal &&"
        " find wal -type f -name '0*' ! -name '*.history' -printf '%f\\n' | sort | head -n 1"
    )
    bases, dumps, needed, oldest = stack.compose("exec", "-T", "backup", "bash", "-c", script).stdout.split()
    assert (bases, dumps) == ("2", "2")
    assert oldest[8:24] >= needed[8:]


def test_to_a_moment(stack: ProductionStack) -> None:
    assert stack.post(8, "1-1") == 200
    backup(stack, "now")
    assert stack.post(8, "1-2") == 200
    moment = stack.sql("SELECT clock_timestamp()")[0][0]
    assert stack.post(8, "1-3") == 200
    destroy(stack)
    restore = ("run", "--rm", "-T", "restore", "--until")
    early = stack.compose(*restore, "1999-01-01 00:00:00+00", check=False)
    assert early.returncode == 1
    assert "no base backup is from before 1999" in early.stderr
    stack.compose(*restore, moment)
    again = stack.compose(*restore, moment, check=False)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    stack.up(*SERVICES)
    assert {key for key in stored(stack) if key.startswith("8 ")} == {"8 1-1", "8 1-2"}


def test_while_the_backup_is_away_nothing_is_acknowledged_that_it_has_not(stack: ProductionStack) -> None:
    """The price of BACKUP_SYNCHRONOUS: boards are told to come again."""
    stack.compose("stop", "backup")
    assert stack.post(9, "1-1") == 503
    stack.up("backup")
    wait_for(lambda: stack.post(9, "1-2") == 200, "readings to be taken again")


def test_the_role_for_backups_writes_nothing(stack: ProductionStack) -> None:
    script = 'psql "$(cat /run/secrets/backup_dsn)" -c "DELETE FROM reading" -c "SELECT count(*) FROM reading"'
    done = stack.compose("exec", "-T", "backup", "bash", "-c", script, check=False)
    assert "permission denied for table reading" in done.stderr
    assert "count" in done.stdout


def test_a_backup_that_was_away_for_too_long_begins_anew(make_stack: Callable[..., ProductionStack]) -> None:
    """PostgreSQL keeps no more log than it was told; what is written afterwards is in the backup again."""
    stack = make_stack(WAL_KEEP="16MB")
    stack.up("db", "backup")
    stack.migrate()
    stack.compose("stop", "backup")
    lost = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'plantkeeper_backup'"
    for _ in range(6):
        stack.sql("SELECT pg_logical_emit_message(false, 'test', 'x'); SELECT pg_switch_wal(); CHECKPOINT")
    assert stack.sql(lost) == [["lost"]]
    before = stack.compose("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "backup", "-c", BASES).stdout.split()
    stack.up("backup")
    assert "beginning anew" in stack.logs("backup")
    bases = ("exec", "-T", "backup", "sh", "-c", BASES)
    wait_for(lambda: len(stack.compose(*bases).stdout.split()) > len(before), "a base backup after the gap")
    stack.sql("INSERT INTO reading (device_id, measured_at) VALUES (1, now())")
    assert "drill passed: all 1 readings are in the backup" in backup(stack, "drill").stdout
