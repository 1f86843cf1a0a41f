"""compose/stack.yaml on a swarm of one node: replicas over one PostgreSQL, one of them killed, every reading once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from production_stack import ROOT, TAG, ProductionStack, exchange, free_port, wait_for

REPLICAS = {"db": "1/1", "backup": "1/1", "front": "1/1", "gateway": "2/2", "forwarder": "2/2"}


def docker(*words: str, environment: dict[str, str] | None = None, check: bool = True, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", *words],
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def node() -> Iterator[str]:
    """A swarm of this engine alone; left again, unless it was there before, when all tests are over.

    Not sooner: on leaving, an engine forgets the names of other stacks' containers as well.
    """
    ours = docker("info", "--format", "{{.Swarm.LocalNodeState}}").strip() == "inactive"
    if ours:
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        name = docker("node", "ls", "--format", "{{if .Self}}{{.ID}}{{end}}").strip()
        docker("node", "update", "--label-add", "plantkeeper=db", name)
        yield name
    finally:
        if ours:
            docker("swarm", "leave", "--force")


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    name: str
    boards: tuple[str, int]

    def replicas(self) -> dict[str, str]:
        listed = docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", self.name).splitlines()
        pairs = (line.split()[:2] for line in listed)
        return {name.removeprefix(f"{self.name}_"): count for name, count in pairs}

    def containers(self, service: str) -> list[str]:
        label = f"label=com.docker.swarm.service.name={self.name}_{service}"
        return docker("ps", "--quiet", "--filter", label, "--filter", "health=healthy").split()

    def sql(self, query: str) -> list[list[str]]:
        [db] = self.containers("db")
        words = ("exec", "-i", db, "psql", "-XAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "plantkeeper")
        return [line.split("\t") for line in docker(*words, stdin=query).splitlines()]

    def post(self, device: int, sequence: int) -> int:
        body = json.dumps({"id": device, "light": sequence % 2000}).encode()
        head = (
            f'POST /sensor-data HTTP/1.1\r\nIdempotency-Key: "1-{sequence}"\r\nContent-Length: {len(body)}\r\n'
            "Connection: close\r\n\r\n"
        )
        try:
            return int(exchange(self.boards, [head.encode() + body], timeout_s=20)[9:12] or 0)
        except OSError:
            return 0


@pytest.fixture(scope="module")
def stack(node: str, images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    name = f"pkswarm{os.getpid()}"
    project = ProductionStack(name, tmp_path_factory.mktemp("swarm"))
    boards, people = free_port(), free_port()
    environment = {**project.environment, **stand_ins(project)}
    environment |= {"GATEWAY_PORT": str(boards), "PEOPLE_PORT": str(people), "BACKEND_URL": "https://backend.example"}
    try:
        deploy = ("stack", "deploy", "--resolve-image", "never", "--compose-file", str(ROOT / "compose" / "stack.yaml"))
        docker(*deploy, name, environment=environment)
        made = Stack(name, ("127.0.0.1", boards))
        wait_for(lambda: made.containers("db"), "PostgreSQL to be healthy", deadline_s=120)
        secret = f"{project.secrets / 'owner_dsn'}:/run/secrets/owner_dsn:ro"
        settings = (
            "PLANTKEEPER_DATABASE_DSN_FILE=/run/secrets/owner_dsn",
            "PLANTKEEPER_GATEWAY_ROLE=plantkeeper_gateway",
        )
        given = [word for setting in settings for word in ("--env", setting)]
        words = ("run", "--rm", "--network", f"{name}_database", "--volume", secret, *given)
        docker(*words, f"plantkeeper-db-tools:{TAG}", "migrate")
        wait_for(lambda: made.replicas() == REPLICAS, f"all replicas to run, not {made.replicas()}", deadline_s=180)
        yield made
    finally:
        docker("stack", "rm", name, check=False)
        label = f"label=com.docker.stack.namespace={name}"
        wait_for(lambda: not docker("ps", "--all", "--quiet", "--filter", label), "containers to go", deadline_s=120)
        wait_for(lambda: not docker("network", "ls", "--quiet", "--filter", label), "networks to go", deadline_s=60)
        docker("volume", "rm", f"{name}_db", f"{name}_backup", check=False)


def stand_ins(project: ProductionStack) -> dict[str, str]:
    """The base image of PostgreSQL, as Compose knows it."""
    return {"POSTGRES_IMAGE": project.compose("config", "--images", "db").stdout.split()[0]}


def accepted(stack: Stack) -> list[float]:
    """Readings that each gateway took."""
    script = (
        "import urllib.request as u; print([l.split()[1] for l in u.urlopen('http://127.0.0.1:8080/metrics').read().decode()"
        ".splitlines() if l.startswith('plantkeeper_readings_accepted_total ')][0])"
    )
    return [float(docker("exec", one, "python3", "-c", script)) for one in stack.containers("gateway")]


def test_readings_spread_over_the_gateways(stack: Stack) -> None:
    assert [stack.post(1, sequence) for sequence in range(1, 41)] == [200] * 40
    assert stack.sql("SELECT count(*), count(DISTINCT idempotency_key) FROM reading WHERE device_id = 1") == [
        ["40", "40"]
    ]
    counts = accepted(stack)
    assert len(counts) == 2
    assert sum(counts) == 40
    assert min(counts) > 0
    reporting = "SELECT count(*) FROM forwarder WHERE seen_at > now() - interval '1 minute'"
    wait_for(lambda: stack.sql(reporting) == [["2"]], "both forwarders to report")


def test_a_gateway_is_killed_and_another_takes_its_place(stack: Stack) -> None:
    victim = stack.containers("gateway")[0]
    docker("kill", victim)
    acknowledged = {sequence for sequence in range(1, 41) if stack.post(2, sequence) == 200}
    assert len(acknowledged) >= 38  # what was on its way to the victim may have to come again
    wait_for(lambda: len(stack.containers("gateway")) == 2, "two gateways to run again", deadline_s=90)
    assert victim not in stack.containers("gateway")
    stored = stack.sql("SELECT idempotency_key FROM reading WHERE device_id = 2")
    keys = [int(key.partition("-")[2]) for (key,) in stored]
    assert len(keys) == len(set(keys))
    assert acknowledged <= set(keys)


def test_it_is_scaled_to_three(stack: Stack) -> None:
    docker("service", "scale", "--detach", f"{stack.name}_gateway=3")
    wait_for(lambda: len(stack.containers("gateway")) == 3, "three gateways to run", deadline_s=90)
    assert [stack.post(4, sequence) for sequence in range(1, 31)] == [200] * 30
    assert min(accepted(stack)) > 0


def test_every_container_is_hardened(stack: Stack) -> None:
    for service in REPLICAS:
        said = json.loads(docker("inspect", stack.containers(service)[0]))[0]
        assert said["HostConfig"]["ReadonlyRootfs"] is True
        assert said["HostConfig"]["CapDrop"] == ["ALL"]
        assert said["HostConfig"]["Memory"] > 0
        assert said["HostConfig"]["PidsLimit"] > 0
        assert said["Config"]["User"].split(":")[0] not in {"", "0", "root"}
