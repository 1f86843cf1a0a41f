"""CPU time and memory of process trees, from the text of /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from plantkeeper_hil.bench.gateway.measure import (
    TICKS_PER_S,
    Stat,
    busy_s,
    cpu_s,
    family,
    parse_busy_ticks,
    parse_pss_bytes,
    parse_stat,
    pss_mb,
)

# pid (comm) state ppid … utime=7 stime=5 cutime=3 cstime=1: fields 14 to 17 of proc(5)
LINE = "42 (a (b) c) S 7 42 42 0 -1 4194560 100 200 0 0 7 5 3 1 20 0 1 0 999 1000000 250 18446744073709551615"


def test_a_name_may_hold_blanks_and_brackets() -> None:
    assert parse_stat(LINE) == Stat(pid=42, parent=7, cpu_ticks=16)


def test_pss_is_kibibytes() -> None:
    assert (
        parse_pss_bytes("55d0-7ffe ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPss:  300 kB\nPss_Anon: 1 kB\n") == 300 * 1024
    )
    assert parse_pss_bytes("") == 0


def test_idle_and_waiting_for_the_disk_are_not_busy() -> None:
    assert parse_busy_ticks("cpu  10 1 5 1000 500 2 3 4 0 0") == 25


def test_a_family_is_the_roots_that_live_and_all_below() -> None:
    stats = {pid: Stat(pid, parent, 0) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (5, 4))}
    assert family([2, 5, 99], stats) == {2, 3, 5}


def test_a_tree_on_a_made_up_proc(tmp_path: Path) -> None:
    for pid, parent, ticks in ((10, 1, 50), (11, 10, 25), (12, 1, 1000)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (x) S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 0 0 0")
        (folder / "smaps_rollup").write_text("Pss: 1024 kB\n")
    assert cpu_s([10], tmp_path) == 75 / TICKS_PER_S
    assert pss_mb([10], tmp_path) == 2.0
    assert cpu_s([10], tmp_path, but=[10]) < 75 / TICKS_PER_S
    assert pss_mb([10], tmp_path, but=[10]) < 2.0


def test_a_real_child_that_works_is_seen_and_counted_after_it_ended() -> None:
    before_s, busy_before_s = cpu_s([os.getpid()]), busy_s()
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(1_000_000))"], check=True)
    assert cpu_s([os.getpid()]) - before_s >= 2 / TICKS_PER_S
    assert busy_s() - busy_before_s >= 2 / TICKS_PER_S
    assert pss_mb([os.getpid()]) > 5
