"""docs/deploy.md, run: every `sh` block in order, by one shell, in a clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from production_stack import ROOT, free_port

PAGE = ROOT / "docs" / "deploy.md"
SERVICES = {"db", "gateway", "forwarder", "front", "backup", "restore", "db-tools", "prometheus", "grafana"}


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def images() -> dict[str, str]:
    """Stand-ins for official images, where COMPOSE_ENV_FILES names some; the page has a file of its own."""
    files = os.environ.get("COMPOSE_ENV_FILES", "").split(",")
    lines = [line for file in files if file for line in Path(file).read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_every_service_that_it_names_exists() -> None:
    config = "".join((ROOT / "compose" / name).read_text() for name in ("compose.yaml", "compose.prod.yaml"))
    for service in SERVICES:
        assert re.search(rf"^  {service}:", config, re.MULTILINE), service
    named = set(re.findall(r"docker compose (?:run --rm|exec|logs|stop) ([a-z-]+)", PAGE.read_text()))
    assert named <= SERVICES


def test_the_page_from_nothing_to_backed_up_and_back(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.run(listing, capture_output=True, check=True).stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    project = f"pk-deploy-{os.getpid()}"
    boards, people = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "COMPOSE_ENV_FILES"},
        **images(),
        "COMPOSE_PROJECT_NAME": project,
        "PLANTKEEPER_TAG": "deploy-test",
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_PORT": str(boards),
        "PEOPLE_PORT": str(people),
    }
    script = "set -euxo pipefail\n" + "\n".join(blocks())
    for written, meant in ((":8080/", f":{boards}/"), (":9443/", f":{people}/"), ("plantkeeper_db", f"{project}_db")):
        assert written in script
        script = script.replace(written, meant)
    (tmp_path / "page.sh").write_text(script)
    try:
        done = subprocess.run(
            ["bash", tmp_path / "page.sh"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        said = f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == 0, said
        assert '{"message":"stored"}' in done.stdout
        assert "drill passed: all 1 readings are in the backup" in done.stdout
        assert re.search(r"restored: 1 readings, the last one of 20", done.stdout), said
        assert "pending: nothing" in done.stdout
    finally:
        words = [
            "docker",
            "compose",
            "--project-name",
            project,
            "--profile",
            "*",
            "down",
            "--volumes",
            "--timeout",
            "5",
        ]
        subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, check=False)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"`((?:compose|secrets|db)/[\w./-]+)`", PAGE.read_text()))))
def test_a_path_that_it_names_exists_or_is_made(link: str) -> None:
    made = (ROOT / "compose" / "new-secrets").read_text()
    path = ROOT / link if link.startswith(("compose/", "db/")) else ROOT / "compose" / link
    assert path.exists() or Path(link).name in made or link in {"compose/secrets", "compose/.env"}, link
