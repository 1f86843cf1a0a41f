"""From a fresh clone to a gateway that takes readings: nothing migrates by itself, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Callable

import requests

from plantkeeper_hil.stack.compose_cli import Compose
from plantkeeper_hil.stack.engine import Engine

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


def psql(compose: Compose, query: str) -> str:
    return compose.run("exec", "-T", "db", "psql", "-XAt", "-U", "postgres", "-d", "plantkeeper", "-c", query).strip()


def test_command_by_command(project: Callable[..., Compose]) -> None:
    compose = project(SIGNATURES="legacy", LEGACY_DEVICES="1-9")
    early = compose.attempt("up", "--wait")
    assert early.returncode != 0, "gateway and forwarder ran without a schema"
    for service in ("gateway", "forwarder"):
        said = compose.run("logs", "--no-log-prefix", service)
        assert "the schema is at revision none" in said
        assert "docker compose run --rm db-tools migrate" in said
    assert psql(compose, TABLES) == "0", "something migrated by itself"

    status = compose.attempt("run", "--rm", "db-tools", "status")
    assert status.returncode == 3
    assert "schema revision: none" in status.stdout.splitlines()  # after what the image's build said, the first time
    migrated = compose.run("run", "--rm", "db-tools", "migrate").splitlines()
    assert migrated[-1] == "granted: plantkeeper_gateway may do what the gateway does"
    assert compose.run("run", "--rm", "db-tools", "status").splitlines()[-1] == "pending: nothing"
    assert compose.run("run", "--rm", "db-tools", "seed", "--devices", "1-3") == "added 3 of 3 devices\n"

    compose.run("up", "--wait")
    running = [json.loads(line) for line in compose.run("ps", "--format", "json").splitlines()]
    assert {(one["Service"], one["Health"]) for one in running} == {
        ("db", "healthy"),
        ("gateway", "healthy"),
        ("forwarder", "healthy"),
    }
    published = {
        one["Service"]: {port["URL"] for port in one["Publishers"] or () if port["PublishedPort"]} for one in running
    }
    assert published == {"db": set(), "forwarder": set(), "gateway": {"127.0.0.1"}}
    engine = Engine(compose.project)
    [(host, port)] = engine.published("gateway", 8080)
    engine.close()
    body = {"id": 1, "temperature": 21.5, "humidity": 40, "light": 900}
    answer = requests.post(f"http://{host}:{port}/sensor-data", json=body, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"message": "stored"})
    assert psql(compose, "SELECT device_id, light FROM reading") == "1|900"
    keys = compose.run("exec", "-T", "gateway", "plantkeeper-proxy", "device", "add", "7")
    assert "7.1" in keys, keys


def test_all_of_it_goes_and_comes_back_with_its_readings(project: Callable[..., Compose]) -> None:
    compose = project()
    compose.run("run", "--rm", "db-tools", "migrate")
    compose.run("up", "--wait")
    compose.run("down")
    compose.run("up", "--wait")
    assert compose.run("run", "--rm", "db-tools", "status").splitlines()[-1] == "pending: nothing"
