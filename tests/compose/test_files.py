"""Every compose file is one that Compose understands, and says what it should of networks and secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plantkeeper_hil.stack.compose_cli import Compose

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.name for path in (ROOT / "compose").glob("compose.*.yaml"))


@pytest.mark.parametrize("overlay", [None, *OVERLAYS])
def test_compose_understands_it(overlay: str | None, project: Callable[..., Compose]) -> None:
    compose = project(BACKEND_URL="https://backend.example")
    files = ["--file", str(ROOT / "compose" / overlay)] if overlay else []
    compose.run(*files, "--profile", "*", "config", "--quiet")


def test_the_database_is_out_of_everybodys_reach(project: Callable[..., Compose]) -> None:
    config: dict[str, Any] = json.loads(project().run("--profile", "*", "config", "--format", "json"))
    services, networks = config["services"], config["networks"]
    assert list(services["db"]["networks"]) == ["database"]
    assert networks["database"]["internal"] is True
    assert "ports" not in services["db"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"gateway", "mock-backend"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def test_no_secret_stands_in_an_environment(project: Callable[..., Compose]) -> None:
    text = project().run("--profile", "*", "config")
    secrets = Path(json.loads(project().run("config", "--format", "json"))["secrets"]["gateway_dsn"]["file"]).parent
    for path in secrets.iterdir():
        assert path.read_text().strip() not in text


def test_owner_and_superuser_are_known_where_they_are_needed_alone(project: Callable[..., Compose]) -> None:
    services = json.loads(project().run("--profile", "*", "config", "--format", "json"))["services"]
    holders: dict[str, set[str]] = {}
    for name, service in services.items():
        for secret in service.get("secrets", []):
            holders.setdefault(secret["source"], set()).add(name)
    assert holders["postgres_password"] == {"db"}
    assert holders["owner_dsn"] == {"db", "db-tools"}
    assert holders["gateway_dsn"] == {"db", "gateway", "forwarder"}
    assert holders["master_key"] == holders["status_token"] == {"gateway"}
