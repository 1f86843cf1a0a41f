"""Figures of a firmware: budgets, the change since a release, and what may be recorded as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.firmware.figures import (
    MEASURES,
    Figures,
    Measure,
    Release,
    breaches,
    change,
    check_release,
    comparable,
    decode,
    encode,
)
from plantkeeper_hil.firmware.footprint import awake_s_a_day, charge_mah_a_day
from plantkeeper_hil.firmware.peer import longest_run
from plantkeeper_hil.project import Project

GOOD = Figures(25_000, 700, 700, 600, 300_000, 800_000, {"src": 10_000, "lib/text": 600})
counts = st.integers(0, 2**32)
figures = st.builds(
    Figures, counts, counts, counts, counts, counts, counts, st.dictionaries(st.text(min_size=1), counts, max_size=5)
)
releases = st.builds(
    Release,
    st.text(min_size=1),
    st.text(min_size=1),
    st.sampled_from(["system", "registry"]),
    st.dictionaries(st.text(min_size=1), figures, max_size=3),
)


@given(releases)
def test_a_release_is_read_back_as_it_was_written(release: Release) -> None:
    assert decode(encode(release), "released.json") == release


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "1"}', encode(Release("1", "c", "system", {}))[:-9]])
def test_what_is_no_release_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"released\.json: not the figures of a release"):
        decode(text, "released.json")


def test_the_released_figures_of_this_checkout_can_be_read(pytestconfig: pytest.Config) -> None:
    path = Project(pytestconfig.rootpath).firmware_dir / "released.json"
    release = decode(path.read_text(encoding="utf-8"), str(path))
    assert breaches(release.boards) == []
    for board in release.boards.values():
        assert sum(board.flash_by_part.values()) == board.flash_bytes
    assert f"\n## [{release.version}]" in (pytestconfig.rootpath / "CHANGELOG.md").read_text(encoding="utf-8")


@given(counts, counts)
def test_a_change_adds_up(now: int, before: int) -> None:
    told = change(now, before)
    assert before + int(told.replace("\N{MINUS SIGN}", "-")) == now
    assert (told[0] in "+\N{MINUS SIGN}") == (now != before)


def test_there_is_no_change_against_what_was_not_released() -> None:
    assert change(5, None) == ""
    release = Release("0.1.0", "abc", "registry", {"uno": GOOD})
    assert comparable(release, "registry") is release
    assert comparable(release, "system") is None
    assert comparable(None, "system") is None


@pytest.mark.parametrize("measure", [m for m in MEASURES if m.budget], ids=lambda measure: measure.attribute)
def test_a_budget_is_kept_up_to_its_bound_and_not_beyond(measure: Measure) -> None:
    bound = measure.at_most if measure.at_most is not None else measure.at_least
    beyond = measure.at_most + 1 if measure.at_most is not None else (measure.at_least or 0) - 1
    at_bound = {measure.attribute: bound}
    over = {measure.attribute: beyond}
    assert breaches({"uno": replace(GOOD, **at_bound)}) == []  # type: ignore[arg-type] # by name
    assert breaches({"uno": GOOD, "uno_serial": replace(GOOD, **over)}) == [  # type: ignore[arg-type] # by name
        f"uno_serial: {measure.title}: {beyond}, {measure.budget}"
    ]


CHANGELOG = "# Changelog\n\n## [0.2.0] - 2026-01-01\n\n## [0.1.0]\n"


def test_a_version_of_the_changelog_can_be_released_from_a_commit() -> None:
    assert check_release("0.1.0", identity="0.1.0+abc1234567.elf-0123", changelog=CHANGELOG) == "abc1234567"


@pytest.mark.parametrize(
    ("version", "identity", "named"),
    [
        ("0.2.0", "0.1.0+abc1234567.elf-0123", "says that it is 0.1.0"),
        ("0.3.0", "0.3.0+abc1234567.elf-0123", r"no section \[0.3.0\]"),
        ("0.1.0", "0.1.0+abc1234567.dirty.elf-0123", "built from abc1234567.dirty"),
        ("0.1.0", "0.1.0+nogit.elf-0123", "built from nogit"),
    ],
)
def test_what_cannot_be_a_release_is_named(version: str, identity: str, named: str) -> None:
    with pytest.raises(UsageError, match=f"--release {version}: .*{named}"):
        check_release(version, identity=identity, changelog=CHANGELOG)


def test_a_board_that_never_sleeps_is_awake_all_day_and_takes_most() -> None:
    assert awake_s_a_day(0) == 0
    assert awake_s_a_day(16_000_000) == 288
    assert awake_s_a_day(16_000_000 * 301) == 86_400
    assert charge_mah_a_day(0) < charge_mah_a_day(1_000_000) < charge_mah_a_day(16_000_000 * 301)


def test_power_down_takes_next_to_nothing() -> None:
    assert charge_mah_a_day(0) == pytest.approx(24 * 2.4)
    assert charge_mah_a_day(0, powered_down=1.0) == pytest.approx(24 * 0.03)
    assert charge_mah_a_day(0, powered_down=0.5) == pytest.approx(12 * 2.43)


@given(st.binary(max_size=50))
def test_the_longest_run(data: bytes) -> None:
    run = longest_run(data, 0xC5)
    assert b"\xc5" * run in data
    assert b"\xc5" * (run + 1) not in data
