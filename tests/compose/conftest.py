"""Docker Compose: needs an engine, and fails where there is none. `nox -s compose` runs what is in this folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from plantkeeper_hil.stack.compose import ComposeOptions, ComposeStack
from plantkeeper_hil.stack.compose_cli import Compose
from plantkeeper_hil.stack.janitor import Janitor


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is slow, and starts processes. A swarm comes last.

    An engine that leaves a swarm forgets the names of all containers in all networks (moby/libnetwork,
    `cleanupServiceDiscovery`): those that run on find each other no more.
    """
    items.sort(key=lambda item: item.path.name == "test_swarm.py")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The engine's API."""
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture(scope="session")
def composed(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """A stack for all tests; each of them uses devices of its own, and leaves it whole."""
    options = ComposeOptions(
        root=pytestconfig.rootpath,
        log_dir=tmp_path_factory.mktemp("composed"),
        settings={"BACKEND_TIMEOUT_S": "3"},
    )
    with ComposeStack(options) as stack:
        yield stack


@pytest.fixture(scope="session")
def clone(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as a clone has it: what git knows and no more."""
    folder = tmp_path_factory.mktemp("clone")
    root = pytestconfig.rootpath
    listing = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = root / name, folder / name
        if source.is_file():  # not where it was removed, and git does not know yet
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    return folder


@pytest.fixture
def project(clone: Path, tmp_path: Path) -> Iterator[Callable[..., Compose]]:
    """Makes a Compose project of the clone, with fresh secrets; all of it is removed. Settings are variables."""
    janitor = Janitor()

    def make(**settings: str) -> Compose:
        secrets = janitor.make_folder() / "secrets"
        subprocess.run([clone / "compose" / "new-secrets", secrets], capture_output=True, check=True)
        made = Compose(
            project=f"plantkeeper-test-{os.getpid()}-{os.urandom(3).hex()}",
            files=[clone / "compose" / "compose.yaml"],
            environment={"SECRETS_DIR": str(secrets), "GATEWAY_PORT": "0", "MOCK_PORT": "0", **settings},
            log=tmp_path / "compose.log",
        )
        janitor.watch_command(made.removal)
        return made

    yield make
    janitor.close()
