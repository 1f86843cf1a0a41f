"""The images: what is in them, who runs it, and that building them again changes nothing."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from plantkeeper_hil.stack.compose import ComposeStack

BUILT = {
    "gateway": "plantkeeper-proxy",
    "db-tools": "plantkeeper-db-tools",
    "mock-backend": "plantkeeper-mock-backend",
}
MOST_BYTES = 150_000_000
INSTALLED = "import importlib.metadata as m; print('\\n'.join(f'{d.name}=={d.version}' for d in m.distributions()))"


@pytest.fixture(scope="session")
def services(composed: ComposeStack) -> dict[str, Any]:
    """The compose file's services, as Compose understood them."""
    found: dict[str, Any] = json.loads(composed.compose.run("--profile", "*", "config", "--format", "json"))["services"]
    return found


@pytest.mark.parametrize("service", BUILT)
def test_it_is_small_and_says_what_it_is(service: str, services: dict[str, Any], client: docker.DockerClient) -> None:
    image = client.images.get(f"{BUILT[service]}:hil")
    base = client.images.get(services[service]["build"]["args"]["PYTHON_IMAGE"])
    assert 0 < image.attrs["Size"] - base.attrs["Size"] < MOST_BYTES
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.title"].startswith("PlantKeeper ")
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"


def test_the_gateways_image_says_how_it_is(client: docker.DockerClient) -> None:
    config = client.images.get("plantkeeper-proxy:hil").attrs["Config"]
    assert config["Healthcheck"]["Test"][:4] == ["CMD", "python3", "-m", "plantkeeper_proxy.probe"]
    assert set(config["ExposedPorts"]) == {"8080/tcp"}


@pytest.mark.parametrize(("service", "ours"), [("gateway", "plantkeeper-proxy"), ("db-tools", "plantkeeper-db")])
def test_it_holds_what_it_needs_at_the_locked_versions(
    service: str, ours: str, composed: ComposeStack, client: docker.DockerClient, pytestconfig: pytest.Config
) -> None:
    locked = set((pytestconfig.rootpath / "constraints.txt").read_text().lower().split("\n"))
    image = f"{BUILT[service]}:hil"
    said = client.containers.run(image, ["-c", INSTALLED], entrypoint="python3", remove=True).decode()
    found = {normal(line) for line in said.split()}
    assert {line for line in found if not line.startswith(f"{ours}==")} <= {normal(line) for line in locked}
    names = {line.split("==")[0] for line in found}
    assert ours in names
    assert not names & {"pip", "setuptools", "hatchling", "pytest", "plantkeeper-hil", "plantkeeper-sim"}


def normal(requirement: str) -> str:
    name, _, version = requirement.lower().partition("==")
    return f"{re.sub(r'[-_.]+', '-', name)}=={version}"


@pytest.mark.parametrize("service", BUILT)
def test_a_second_build_changes_nothing(
    service: str, services: dict[str, Any], client: docker.DockerClient, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    build = services[service]["build"]
    tag = f"{BUILT[service]}:again"
    arguments = [word for name, value in build["args"].items() for word in ("--build-arg", f"{name}={value}")]
    command = ["docker", "build", "--no-cache", "--tag", tag, "--file", build["dockerfile"], *arguments, "."]
    done = subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (client.images.get(name) for name in (f"{BUILT[service]}:hil", tag))
    client.images.remove(tag)
    assert first.attrs["RootFS"]["Layers"] == second.attrs["RootFS"]["Layers"]
    assert first.attrs["Config"]["Entrypoint"] == second.attrs["Config"]["Entrypoint"]
