"""Metrics: what is counted appears, by its name; the documentation lists what there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from plantkeeper_proxy.counts import LATENCY_BOUNDS_S, Buckets, Counts
from plantkeeper_proxy.facts import Facts, Figures, ForwarderFacts
from plantkeeper_proxy.ingest import Stored
from plantkeeper_proxy.metrics import FAMILIES, GatewayCollector, exposition, markdown_table, registry_of
from plantkeeper_proxy.tally import Tally

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(counts: Counts, facts: Callable[[], Facts] | None, connections: int = 0) -> Samples:
    text = exposition(registry_of(GatewayCollector(counts.totals, lambda: connections, facts))).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def whole() -> tuple[Counts, Facts]:
    counts = Counts()
    counts.accepted(Stored.NEW, 0.002)
    counts.accepted(Stored.NEW, 0.03)
    counts.accepted(Stored.REPEATED, 60.0)
    counts.refused("invalid")
    counts.refused("invalid")
    counts.refused("too_large")
    counts.batch(3)
    tally = Tally(delivered=5, retried=2, dead=1, certificate_expires_s=1.9e9)
    tally.count_delivery(0.3)
    forwarder = ForwarderFacts("f1", 4.0, tally.counters(), {"certificate": "other host"})
    return counts, Facts(figures=Figures(7, 12.5, 1, (forwarder,), next_month_missing=True))


def test_what_was_counted_is_there() -> None:
    counts, facts = whole()
    got = scrape(counts, lambda: facts, connections=4)
    p, f = "plantkeeper_", (("forwarder", "f1"),)
    expected = {
        (p + "readings_accepted_total", ()): 3,
        (p + "readings_stored_total", (("kind", "new"),)): 2,
        (p + "readings_stored_total", (("kind", "repeated"),)): 1,
        (p + "requests_refused_total", (("reason", "invalid"),)): 2,
        (p + "requests_refused_total", (("reason", "too_large"),)): 1,
        (p + "accept_latency_seconds_bucket", (("le", "0.0025"),)): 1,
        (p + "accept_latency_seconds_bucket", (("le", "0.05"),)): 2,
        (p + "accept_latency_seconds_bucket", (("le", "10"),)): 2,
        (p + "accept_latency_seconds_bucket", (("le", "+Inf"),)): 3,
        (p + "accept_latency_seconds_sum", ()): pytest.approx(60.032),
        (p + "batch_readings_bucket", (("le", "5"),)): 1,
        (p + "open_connections", ()): 4,
        (p + "database_up", ()): 1,
        (p + "ready", ()): 1,
        (p + "backlog_readings", ()): 7,
        (p + "backlog_oldest_age_seconds", ()): 12.5,
        (p + "dead_letters", ()): 1,
        (p + "default_partition_used", ()): 0,
        (p + "next_partition_missing", ()): 1,
        (p + "forwarder_delivered_total", f): 6,
        (p + "forwarder_retried_total", f): 2,
        (p + "forwarder_dead_total", f): 1,
        (p + "forwarder_delivery_latency_seconds_bucket", (*f, ("le", "0.25"))): 0,
        (p + "forwarder_delivery_latency_seconds_bucket", (*f, ("le", "0.5"))): 1,
        (p + "forwarder_delivery_latency_seconds_count", f): 1,
        (p + "forwarder_last_seen_age_seconds", f): 4,
        (p + "forwarder_backend_up", f): 1,
        (p + "forwarder_certificate_ok", f): 0,
        (p + "forwarder_certificate_expiry_timestamp_seconds", f): 1.9e9,
    }
    assert {key: got.get(key) for key in expected} == expected


def test_without_a_database_the_process_still_tells_what_it_knows() -> None:
    counts, _ = whole()
    got = scrape(counts, lambda: Facts(error="gone", database_up=False))
    assert got["plantkeeper_database_up", ()] == 0
    assert got["plantkeeper_ready", ()] == 0
    assert got["plantkeeper_readings_accepted_total", ()] == 3
    assert ("plantkeeper_backlog_readings", ()) not in got


def test_every_family_of_the_table_is_made_and_documented(pytestconfig: pytest.Config) -> None:
    counts, facts = whole()
    families = {family.name for family in GatewayCollector(counts.totals, lambda: 0, lambda: facts).collect()}
    assert families == {name.removesuffix("_total") for name in FAMILIES}
    assert markdown_table() in (pytestconfig.rootpath / "docs" / "operations.md").read_text()


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_holds_all_values(values: list[float]) -> None:
    buckets = Buckets(LATENCY_BOUNDS_S)
    for value in values:
        buckets.put(value)
    assert sum(buckets.counts) == len(values)
    assert buckets.total == pytest.approx(sum(values))
    for at, bound in enumerate(LATENCY_BOUNDS_S):
        assert sum(buckets.counts[: at + 1]) == sum(value <= bound for value in values)


@given(st.text(st.characters(codec="utf-8")))
def test_whatever_a_forwarder_is_named_can_be_read(name: str) -> None:
    facts = Facts(figures=Figures(forwarders=(ForwarderFacts(name, 1.0, {}, {}),)))
    got = scrape(Counts(), lambda: facts)
    assert got["plantkeeper_forwarder_delivered_total", (("forwarder", name),)] == 0
