"""Prometheus metrics: what this process counted, and what the database knows, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from plantkeeper_proxy.counts import Buckets, Totals
from plantkeeper_proxy.facts import Facts, ForwarderFacts
from plantkeeper_proxy.health import expires_s

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """A metric's kind, labels and meaning."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily] | type[HistogramMetricFamily]
    labels: tuple[str, ...]
    about: str


THERE_S = 60.0  # a forwarder that has been silent for longer has gone
FAMILIES: dict[str, Family] = {
    "plantkeeper_readings_accepted_total": Family(CounterMetricFamily, (), "Readings answered 200"),
    "plantkeeper_readings_stored_total": Family(
        CounterMetricFamily, ("kind",), "Readings by what became of them: `new`, or `repeated` (stored already)"
    ),
    "plantkeeper_requests_refused_total": Family(
        CounterMetricFamily, ("reason",), "Requests that were refused, by reason"
    ),
    "plantkeeper_accept_latency_seconds": Family(
        HistogramMetricFamily, (), "From a reading's request being whole to its 200"
    ),
    "plantkeeper_batch_readings": Family(HistogramMetricFamily, (), "Readings that shared one transaction"),
    "plantkeeper_open_connections": Family(GaugeMetricFamily, (), "Connections of boards and others"),
    "plantkeeper_database_up": Family(
        GaugeMetricFamily, (), "1 where PostgreSQL answers; where it is 0, all below is missing"
    ),
    "plantkeeper_ready": Family(GaugeMetricFamily, (), "1 where readings can be taken"),
    "plantkeeper_backlog_readings": Family(GaugeMetricFamily, (), "Readings that wait for the backend"),
    "plantkeeper_backlog_oldest_age_seconds": Family(GaugeMetricFamily, (), "How long the oldest of them has waited"),
    "plantkeeper_dead_letters": Family(GaugeMetricFamily, (), "Readings that the backend refused for good, kept"),
    "plantkeeper_default_partition_used": Family(GaugeMetricFamily, (), "1 where readings fell into `reading_default`"),
    "plantkeeper_next_partition_missing": Family(GaugeMetricFamily, (), "1 where next month has no partition yet"),
    "plantkeeper_devices_known": Family(GaugeMetricFamily, (), "Devices that were made known (`plantkeeper-db seed`)"),
    "plantkeeper_devices_silent": Family(
        GaugeMetricFamily, (), "Known devices that sent nothing for `PLANTKEEPER_DEVICE_SILENT_S`"
    ),
    "plantkeeper_forwarder_delivered_total": Family(
        CounterMetricFamily, ("forwarder",), "Readings that the backend took"
    ),
    "plantkeeper_forwarder_retried_total": Family(CounterMetricFamily, ("forwarder",), "Attempts that failed"),
    "plantkeeper_forwarder_dead_total": Family(
        CounterMetricFamily, ("forwarder",), "Readings that became dead letters"
    ),
    "plantkeeper_forwarder_delivery_latency_seconds": Family(
        HistogramMetricFamily, ("forwarder",), "From a reading being stored to the backend's 200"
    ),
    "plantkeeper_forwarder_last_seen_age_seconds": Family(
        GaugeMetricFamily, ("forwarder",), "Since when a forwarder said nothing; it is forgotten after a day"
    ),
    "plantkeeper_forwarder_backend_up": Family(
        GaugeMetricFamily, ("forwarder",), "0 while a forwarder holds the backend to be down"
    ),
    "plantkeeper_certificate_ok": Family(
        GaugeMetricFamily, (), "0 while any forwarder that is there refuses the backend's certificate"
    ),
    "plantkeeper_forwarder_certificate_ok": Family(
        GaugeMetricFamily, ("forwarder",), "0 while a forwarder refuses the backend's certificate"
    ),
    "plantkeeper_forwarder_certificate_expiry_timestamp_seconds": Family(
        GaugeMetricFamily, ("forwarder",), "When the backend's certificate ends (epoch)"
    ),
}


class Families:
    """Collects samples into families of the table."""

    def __init__(self) -> None:
        self._made: dict[str, Metric] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """A counter's or gauge's value."""
        family = self._family(name)
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
        family.add_metric(labels, value)

    def put_histogram(self, name: str, buckets: Buckets, *labels: str) -> None:
        """A histogram's buckets and sum."""
        family = self._family(name)
        assert isinstance(family, HistogramMetricFamily)
        bounds = [*(f"{bound:g}" for bound in buckets.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(buckets.counts), strict=True)), buckets.total)

    def all(self) -> Iterable[Metric]:
        """The families that have samples."""
        return self._made.values()

    def _family(self, name: str) -> Metric:
        if name not in self._made:
            kind, labels, about = FAMILIES[name]
            self._made[name] = kind(name, about.replace("`", ""), labels=labels)
        return self._made[name]


def put_totals(families: Families, totals: Totals, open_connections: int) -> None:
    """What this process counted."""
    families.put("plantkeeper_readings_accepted_total", sum(totals.stored.values()))
    for stored, count in totals.stored.items():
        families.put("plantkeeper_readings_stored_total", count, stored.value)
    for reason, count in totals.refused.items():
        families.put("plantkeeper_requests_refused_total", count, reason)
    families.put_histogram("plantkeeper_accept_latency_seconds", totals.latency_s)
    families.put_histogram("plantkeeper_batch_readings", totals.batches)
    families.put("plantkeeper_open_connections", open_connections)


def put_facts(families: Families, facts: Facts) -> None:
    """What the database knows."""
    families.put("plantkeeper_database_up", facts.database_up)
    families.put("plantkeeper_ready", facts.error is None)
    if facts.figures is None:
        return
    families.put("plantkeeper_backlog_readings", facts.figures.backlog)
    families.put("plantkeeper_backlog_oldest_age_seconds", facts.figures.oldest_age_s)
    families.put("plantkeeper_dead_letters", facts.figures.dead_letters)
    families.put("plantkeeper_default_partition_used", facts.figures.default_used)
    families.put("plantkeeper_next_partition_missing", facts.figures.next_month_missing)
    families.put("plantkeeper_devices_known", facts.figures.devices_known)
    families.put("plantkeeper_devices_silent", facts.figures.devices_silent)
    there = [forwarder for forwarder in facts.figures.forwarders if forwarder.silent_s <= THERE_S]
    families.put("plantkeeper_certificate_ok", not any("certificate" in forwarder.alarms for forwarder in there))
    for forwarder in facts.figures.forwarders:
        _put_forwarder(families, forwarder)


def _put_forwarder(families: Families, forwarder: ForwarderFacts) -> None:
    name, counters = forwarder.name, forwarder.counters
    for counter in ("delivered", "retried", "dead"):
        families.put(f"plantkeeper_forwarder_{counter}_total", float(counters.get(counter, 0)), name)
    bounds: Sequence[float] = counters.get("latency_bounds_s", ())
    counts: Sequence[int] = counters.get("latency_counts", ())
    if bounds and len(counts) == len(bounds) + 1:
        buckets = Buckets(bounds, list(counts), float(counters.get("latency_sum_s", 0.0)))
        families.put_histogram("plantkeeper_forwarder_delivery_latency_seconds", buckets, name)
    families.put("plantkeeper_forwarder_last_seen_age_seconds", forwarder.silent_s, name)
    families.put("plantkeeper_forwarder_backend_up", "backend" not in forwarder.alarms, name)
    families.put("plantkeeper_forwarder_certificate_ok", "certificate" not in forwarder.alarms, name)
    ends_s = expires_s(forwarder)
    if ends_s is not None:
        families.put("plantkeeper_forwarder_certificate_expiry_timestamp_seconds", ends_s, name)


class GatewayCollector(Collector):
    """Makes the families when a scrape asks.

    Args:
        totals: what this process counted.
        open_connections: how many there are.
        facts: what the database knows; None: nobody asks it.
    """

    def __init__(
        self, totals: Callable[[], Totals], open_connections: Callable[[], int], facts: Callable[[], Facts] | None
    ) -> None:
        self._totals, self._open_connections, self._facts = totals, open_connections, facts

    def collect(self) -> Iterable[Metric]:
        """All families that have samples."""
        families = Families()
        put_totals(families, self._totals(), self._open_connections())
        if self._facts is not None:
            put_facts(families, self._facts())
        return families.all()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering asks nobody."""
        return ()


def registry_of(collector: Collector) -> CollectorRegistry:
    """A registry of our own, with the process's CPU time and memory as well."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(namespace="plantkeeper", registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """All metrics as Prometheus reads them."""
    return generate_latest(registry)


def markdown_table() -> str:
    """The table in docs/operations.md."""
    kinds = {CounterMetricFamily: "counter", GaugeMetricFamily: "gauge", HistogramMetricFamily: "histogram"}
    rows = ["| metric | kind | labels | |", "|---|---|---|---|"]
    for name, (kind, labels, about) in FAMILIES.items():
        rows.append(f"| `{name}` | {kinds[kind]} | {', '.join(f'`{label}`' for label in labels)} | {about} |")
    return "\n".join(rows)
