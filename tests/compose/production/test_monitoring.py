"""Prometheus sees every gateway, loads the rules, and raises an alert for what is wrong; promtool tries the rules."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from production_stack import ROOT, ProductionStack, wait_for


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., ProductionStack]) -> ProductionStack:
    made = make_stack()
    made.migrate()
    made.up("front", "prometheus")
    return made


def ask(stack: ProductionStack, path: str, **query: str) -> Any:
    host, port = stack.address("prometheus", 9090)
    url = f"http://{host}:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)["data"]


@pytest.mark.parametrize("words", [["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]])
def test_promtool_is_content(stack: ProductionStack, words: list[str]) -> None:
    folder = ROOT / "compose" / "monitoring" / "prometheus"
    [image] = [line for line in stack.compose("config", "--images", "prometheus").stdout.split() if "prom" in line]
    mounted = ["--volume", f"{folder}:/etc/prometheus:ro", "--workdir", "/etc/prometheus"]
    docker = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "promtool", *mounted]
    done = subprocess.run([*docker, image, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_every_gateway_is_seen(stack: ProductionStack) -> None:
    def up() -> list[str]:
        targets = ask(stack, "targets", state="active")["activeTargets"]
        return [target["labels"]["instance"] for target in targets if target["health"] == "up" and is_gateway(target)]

    stack.compose("up", "--detach", "--wait", "--no-recreate", "--pull", "never", "--scale", "gateway=2", "gateway")
    wait_for(lambda: len(up()) == 2, "two gateways to be seen")


def is_gateway(target: dict[str, Any]) -> bool:
    return bool(target["labels"]["job"] == "gateway")


def test_rules_are_loaded_and_healthy(stack: ProductionStack) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in ask(stack, "rules")["groups"] for rule in group["rules"]]

    wait_for(
        lambda: all(rule["health"] == "ok" for rule in rules()) and len(rules()) == 10, "the rules to be evaluated"
    )


def test_an_alert_comes(stack: ProductionStack) -> None:
    stack.sql(
        "INSERT INTO dead_letter (reading_id, device_id, received_at, attempts, error) VALUES (1, 7, now(), 1, 'no')"
    )

    def firing() -> set[str]:
        return {alert["labels"]["alertname"] for alert in ask(stack, "alerts")["alerts"] if alert["state"] == "firing"}

    wait_for(lambda: "DeadLetters" in firing(), "the alert about dead letters")
