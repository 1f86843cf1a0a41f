"""What production promises of its containers, read back from the engine; and what it refuses to start with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from production_stack import ProductionStack, wait_for

SERVICES = {"db", "gateway", "forwarder", "front", "backup", "prometheus"}
PUBLISHED = {"front": 2, "prometheus": 1}


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., ProductionStack]) -> ProductionStack:
    made = make_stack()
    made.migrate()
    made.up("front", "forwarder", "backup", "prometheus")
    return made


@pytest.fixture(scope="module")
def containers(stack: ProductionStack) -> dict[str, dict[str, Any]]:
    return stack.containers()


def test_all_services_run_and_are_healthy(containers: dict[str, dict[str, Any]]) -> None:
    assert set(containers) == SERVICES
    assert {name: one["State"]["Health"]["Status"] for name, one in containers.items()} == dict.fromkeys(
        SERVICES, "healthy"
    )


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_container_is_hardened(containers: dict[str, dict[str, Any]], service: str) -> None:
    config, host = containers[service]["Config"], containers[service]["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Privileged"] is False
    assert config["User"].split(":")[0] not in {"", "0", "root"}
    assert 0 < host["Memory"] <= 1 << 30
    assert 0 < host["NanoCpus"] <= 1_000_000_000
    assert 0 < host["PidsLimit"] <= 256
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}


def test_nothing_is_writable_that_need_not_be(stack: ProductionStack) -> None:
    for service in ("gateway", "forwarder", "front", "backup", "db"):
        done = stack.compose("exec", "-T", service, "sh", "-c", "echo x > /etc/x || echo x > /x", check=False)
        assert "Read-only file system" in done.stderr, service


def test_only_the_front_is_open_to_the_outside(containers: dict[str, dict[str, Any]]) -> None:
    bindings = {
        name: [at for ats in (one["HostConfig"]["PortBindings"] or {}).values() for at in ats or []]
        for name, one in containers.items()
    }
    assert {name: len(ats) for name, ats in bindings.items() if ats} == PUBLISHED
    assert {at["HostIp"] for at in bindings["prometheus"]} == {"127.0.0.1"}


def test_boards_reach_it_from_outside_and_people_do_not_unless_told(stack: ProductionStack) -> None:
    config = json.loads(stack.compose("config", "--format", "json", environment={"GATEWAY_BIND": ""}).stdout)
    ports = {port["target"]: port["host_ip"] for port in config["services"]["front"]["ports"]}
    assert ports == {8080: "0.0.0.0", 8443: "127.0.0.1"}


@pytest.mark.parametrize("service", ["gateway", "db", "backup"])
def test_what_needs_no_way_out_has_none(containers: dict[str, dict[str, Any]], service: str) -> None:
    networks = list(containers[service]["NetworkSettings"]["Networks"])
    words = ("docker", "network", "inspect", "--format", "{{.Internal}}", *networks)
    internal = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert internal == ["true"] * len(networks)


def test_no_secret_stands_where_docker_inspect_shows_it(
    stack: ProductionStack, containers: dict[str, dict[str, Any]]
) -> None:
    shown = json.dumps(list(containers.values()))
    for path in stack.secrets.iterdir():
        secret = path.read_text().strip()
        for part in {secret, secret.partition("://")[2].partition("@")[0].partition(":")[2]} - {""}:
            assert part.splitlines()[0] not in shown or path.suffix == ".pem", path.name


def test_without_a_backend_it_does_not_start(stack: ProductionStack) -> None:
    done = stack.compose("config", "--quiet", check=False, environment={"BACKEND_URL": ""})
    assert done.returncode != 0
    assert "BACKEND_URL" in done.stderr
    assert "such as https://backend.example" in done.stderr


@pytest.mark.parametrize(("given", "shown"), [("", "none"), ("/srv/ca.pem", "/run/secrets/backend_ca")])
def test_the_systems_authorities_unless_told(stack: ProductionStack, given: str, shown: str) -> None:
    config = json.loads(stack.compose("config", "--format", "json", environment={"BACKEND_CA_FILE": given}).stdout)
    assert (config["services"]["forwarder"]["environment"]["PLANTKEEPER_BACKEND_CA"] or "none") == shown


def test_an_authority_that_is_not_given_is_the_systems(stack: ProductionStack) -> None:
    words = ("run", "--rm", "-T", "--no-deps", "forwarder", "settings")
    listed = stack.compose(*words, environment={"BACKEND_CA_FILE": ""}, check=False).stdout
    [line] = [line for line in listed.splitlines() if line.startswith("PLANTKEEPER_BACKEND_CA ")]
    assert "# not set: none" in line, line


def test_the_mocks_authority_is_not_what_production_trusts_by_itself(stack: ProductionStack) -> None:
    """The mock's certificate, which its own authority signed, is refused by a forwarder that was told of none."""
    try:
        stack.up("mock-backend", "forwarder", profiles=["mock"], environment={"BACKEND_CA_FILE": ""})
        stack.post(7, "1-1")
        alarm = "SELECT count(*) FROM forwarder WHERE alarms ? 'certificate'"
        wait_for(lambda: stack.sql(alarm) != [["0"]], "the certificate to be refused")
    finally:
        stack.up("forwarder")
