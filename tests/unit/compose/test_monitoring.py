"""Dashboard and alert rules against what a gateway really exposes; Grafana itself runs nowhere here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_proxy.metrics import FAMILIES

METRIC = re.compile(r"plantkeeper_[a-z0-9_]+")
OF_A_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
OF_PROMETHEUS_CLIENT = {"plantkeeper_process_cpu_seconds_total"}


@pytest.fixture(scope="module")
def monitoring(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "compose" / "monitoring"


@pytest.fixture(scope="module")
def dashboard(monitoring: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((monitoring / "grafana" / "dashboards" / "plantkeeper.json").read_text())
    return loaded


def unknown(text: str) -> set[str]:
    """Names of metrics in an expression that no gateway has."""
    names = {name if name in FAMILIES else OF_A_HISTOGRAM.sub("", name) for name in METRIC.findall(text)}
    return names - set(FAMILIES) - OF_PROMETHEUS_CLIENT


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_a_name_that_is_none_is_found() -> None:
    assert unknown("rate(plantkeeper_batch_readings_sum[5m]) + plantkeeper_dead_leters") == {"plantkeeper_dead_leters"}


def test_every_metric_of_the_dashboard_exists(dashboard: dict[str, Any]) -> None:
    assert len(expressions(dashboard)) > 15
    for expression in expressions(dashboard):
        assert METRIC.search(expression)
        assert unknown(expression) == set()


def test_every_metric_of_the_alerts_exists(monitoring: Path) -> None:
    rules = (monitoring / "prometheus" / "alerts.yml").read_text()
    found = re.findall(r"expr: (.+)", rules)
    assert len(found) == rules.count("- alert:") == 10
    assert unknown(" ".join(found)) == set()


def test_every_alert_is_tried(monitoring: Path) -> None:
    named = set(re.findall(r"- alert: (\w+)", (monitoring / "prometheus" / "alerts.yml").read_text()))
    tried = set(re.findall(r'alertname="(\w+)"', (monitoring / "prometheus" / "alerts_test.yml").read_text()))
    assert named == tried


def test_the_dashboard_asks_the_provisioned_data_source(dashboard: dict[str, Any], monitoring: Path) -> None:
    provisioned = (monitoring / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    [uid] = re.findall(r"uid: (\S+)", provisioned)
    asked = [thing["datasource"] for panel in dashboard["panels"] for thing in (panel, *panel["targets"])]
    assert asked
    assert all(source == {"type": "prometheus", "uid": uid} for source in asked)


def test_panels_have_ids_and_places_of_their_own(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert dashboard["uid"] == "plantkeeper"
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(0 <= x < 24 for x, _ in cells)
