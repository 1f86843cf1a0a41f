"""Medians, ratios, floors and goals of the gateway's benchmark, and how they are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from plantkeeper_hil.bench.gateway import __main__ as command
from plantkeeper_hil.bench.gateway import report
from plantkeeper_hil.bench.gateway.backend import parse_requests
from plantkeeper_hil.bench.gateway.backlog import Column, statement
from plantkeeper_hil.bench.gateway.errors import BenchError, LoadError, PeerError
from plantkeeper_hil.bench.gateway.figures import Row, medians, with_ratios
from plantkeeper_hil.bench.gateway.load import Load, parse_result
from plantkeeper_hil.bench.gateway.scenarios.soak import growth
from plantkeeper_hil.bench.gateway.scenarios.steady import UP, climb, highest_flat, is_flat
from plantkeeper_hil.bench.gateway.targets import Target, targets
from plantkeeper_hil.errors import UsageError


def row(name: str, accepted: float | None, *, scenario: str = "accepted", **figures: object) -> Row:
    return Row(scenario, name, "close", 64, accepted_per_s=accepted, **figures)  # type: ignore[arg-type]


def test_ratios_are_to_nginx_of_the_same_round_and_mode() -> None:
    rows = with_ratios(
        [row("nginx", 1000.0), row("gateway", 400.0), Row("accepted", "gateway", "keep", 64, accepted_per_s=9.0)]
    )
    assert [found.ratio_to_nginx for found in rows] == [1.0, 0.4, None]


def test_the_median_of_ratios_is_over_rounds_not_of_medians() -> None:
    rounds = [[(100.0, 50.0)], [(1000.0, 900.0)], [(10.0, 6.0)]]
    rows = [found for [(yard, ours)] in rounds for found in with_ratios([row("nginx", yard), row("gateway", ours)])]
    nginx, gateway = medians(rows)
    assert (nginx.accepted_per_s, gateway.accepted_per_s) == (100.0, 50.0)
    assert gateway.ratio_to_nginx == 0.6
    assert gateway.rounds == 3


def test_further_figures_keep_their_kind() -> None:
    found = medians(
        [
            row("a", 1.0, extra={"n": value, "yes": yes, "word": word})
            for value, yes, word in ((1, True, "x"), (5, True, "y"), (3, False, "z"))
        ]
    )
    assert found[0].extra == {"n": 3, "yes": True, "word": "z"}


def test_the_json_has_the_keys_of_the_issue(tmp_path: Path) -> None:
    report.write(tmp_path / "deep" / "f.json", [row("gateway", 1.0, extra={"waiting_after": 3}).as_dict()])
    [found] = json.loads((tmp_path / "deep" / "f.json").read_text())
    wanted = (
        "name mode boards accepted_per_s delivered_per_s p50_ms p99_ms cpu_s_per_10k pss_mb scenario ratio_to_nginx"
    )
    assert set(wanted.split()) < set(found)
    assert found["waiting_after"] == 3
    assert "extra" not in found


def test_floors_and_goals_are_met_or_not() -> None:
    assert (Target("x", 0.5, 0.4, 1.0).floor_met, Target("x", 0.5, 0.4, 1.0).goal_met) == (True, False)
    late = Target("x", 7.0, 10.0, 5.0, at_most=True)
    assert (late.floor_met, late.goal_met) == (True, False)
    assert Target("x", None, 0.4, None).floor_met is None
    assert Target("x", 0.5, None, None).goal_met is None


def test_what_was_not_measured_is_no_target_that_was_met() -> None:
    assert targets([]) == []
    rows = with_ratios([row("nginx", 1000.0), row("gateway", 390.0), row("node-red", 100.0)])
    assert [(target.value, target.floor_met) for target in targets(rows)] == [(0.39, False), (3.9, True)]


def test_cpu_goal_is_twice_nginxs() -> None:
    rows = [
        Row("offered 200/s", name, "close", 0, cpu_s_per_10k=value, p99_ms=4.0, pss_mb=99.0)
        for name, value in (("nginx", 2.0), ("gateway", 4.5))
    ]
    [found] = [target for target in targets(rows) if "CPU" in target.what]
    assert (found.goal, found.floor_met, found.goal_met) == (4.0, True, False)


def test_a_backlog_is_flat_only_if_little_waits_and_all_is_accepted() -> None:
    assert is_flat(offered_per_s=5000.0, accepted_per_s=5000.0, waiting=500)
    assert not is_flat(offered_per_s=5000.0, accepted_per_s=5000.0, waiting=501)
    assert not is_flat(offered_per_s=5000.0, accepted_per_s=4800.0, waiting=0)


@pytest.mark.parametrize("limit", [40.0, 130.0, 777.0, 999.0])
def test_the_search_ends_just_below_the_limit(limit: float) -> None:
    found = highest_flat(100.0, 1000.0, lambda rate: rate <= limit, steps=8)
    assert found <= limit
    assert found > limit * 0.5
    if limit > 100:
        assert limit - found <= 900 / 2**8


def test_a_server_that_keeps_up_with_nothing_is_an_error() -> None:
    with pytest.raises(PeerError, match="grows even at"):
        highest_flat(100.0, 1000.0, lambda _rate: False, steps=3)


@pytest.mark.parametrize("limit", [60.0, 99.0, 100.0, 120.0, 140.0])
def test_a_round_ends_with_the_best_rate_that_was_flat(limit: float) -> None:
    offered: list[float] = []

    def offer_at(rate: float) -> Row:
        offered.append(rate)
        return row("gateway", rate, extra={"flat": rate <= limit})

    found = climb(100.0, offer_at)
    assert found.extra["flat"]
    assert found.accepted_per_s == max(rate for rate in offered if rate <= limit)
    assert len(offered) <= 6
    if limit >= 100:
        assert found.accepted_per_s > limit / UP


def test_a_round_that_never_was_flat_says_so() -> None:
    assert not climb(100.0, lambda rate: row("gateway", rate, extra={"flat": False})).extra["flat"]


def test_growth_leaves_warming_up_out() -> None:
    samples = [(float(i), 50.0 if i < 25 else 100.0) for i in range(100)]
    assert growth(samples) == 1.0
    assert growth([(float(i), 100.0 + i) for i in range(100)]) > 1.3


def test_wrks_result_is_found_among_its_own_words() -> None:
    assert parse_result('Running 2s test\n\nRESULT {"accepted": 3}\n')["accepted"] == 3
    with pytest.raises(LoadError, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1")


def test_a_generator_near_a_whole_core_is_the_bottleneck_and_the_table_says_so() -> None:
    assert Load(10, 0, 0, 1.0, 1.0, 1.0, generator_share=0.95).generator_bound
    assert not Load(10, 0, 0, 1.0, 1.0, 1.0, generator_share=0.6).generator_bound
    said = io.StringIO()
    report.show(
        [row("nginx", 1.0, extra={"generator_bound": True, "foreign_cores": 0.7})], [], Console(file=said, width=200)
    )
    assert "could do no more for nginx close" in said.getvalue()
    assert "other work took 0.7 cores" in said.getvalue()


def test_nginxs_counter_is_read() -> None:
    assert (
        parse_requests("Active connections: 1 \nserver accepts handled requests\n 75 75 4320 \nReading: 0 \n") == 4320
    )


READING = [Column("id", demanded=False), Column("device_id", demanded=True), Column("humidity", demanded=False)]


def test_a_backlog_fits_an_outbox_that_carries_the_values_and_one_that_does_not() -> None:
    lean = statement(READING, [Column("reading_id", demanded=True), Column("device_id", demanded=True)])
    assert "INSERT INTO outbox (reading_id, device_id) SELECT id, device_id FROM added" in lean
    whole = statement(
        READING,
        [Column("device_id", demanded=True), Column("reading_id", demanded=True), Column("humidity", demanded=False)],
    )
    assert "INSERT INTO outbox (device_id, reading_id, humidity) SELECT device_id, id, humidity FROM added" in whole


def test_a_schema_that_demands_more_is_refused_by_name() -> None:
    with pytest.raises(BenchError, match="table outbox demands shard"):
        statement(READING, [Column("reading_id", demanded=True), Column("shard", demanded=True)])
    with pytest.raises(BenchError, match="table reading demands to exist"):
        statement([], [])


def test_options_change_the_plan_and_an_unknown_scenario_is_refused() -> None:
    options = command._parser().parse_args(
        ["--quick", "--rounds", "1", "--backlog", "50", "--soak-minutes", "2", "soak"]
    )
    plan = command.plan_of(options)
    assert (plan.rounds, plan.backlog, plan.soak_s, plan.duration_s) == (1, 50, 120.0, command.QUICK.duration_s)
    assert command.scenarios_of(options) == ["soak"]
    assert "soak" not in command.scenarios_of(command._parser().parse_args(["--quick"]))
    with pytest.raises(UsageError, match="no scenario named nonsense"):
        command.scenarios_of(command._parser().parse_args(["nonsense"]))
