"""What the heads of compose.prod.yaml and stack.yaml say of variables, and what their limits are, is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE = Path(__file__).parents[3] / "compose"
NAME = r"\b([A-Z]+(?:_[A-Z]+)+)"
OF_COMPOSE = {"COMPOSE_FILE"}


class Loader(yaml.SafeLoader):
    """YAML with Compose's `!reset`."""


Loader.add_constructor("!reset", lambda loader, node: None)


def read(name: str) -> tuple[str, dict[str, Any]]:
    text = (COMPOSE / name).read_text()
    return text, yaml.load(text, Loader)


@pytest.mark.parametrize("name", ["compose.prod.yaml", "stack.yaml"])
def test_the_head_names_the_variables_that_there_are(name: str) -> None:
    text, _ = read(name)
    head = text.partition("\nx-")[0]
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    named = set(re.findall(rf"^#   (?:.*, )?{NAME}", head, re.MULTILINE)) | set(re.findall(rf"{NAME} \(", head))
    assert len(named) > 4
    assert named <= used | OF_COMPOSE


@pytest.mark.parametrize("name", ["compose.prod.yaml", "stack.yaml"])
def test_defaults_are_as_the_head_says(name: str) -> None:
    text, _ = read(name)
    head = text.partition("\nx-")[0]
    said = {key: value for key, value in re.findall(rf"{NAME} \((\S+)\)", head) if value not in {"unset", "none"}}
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}$]+)\}", text))
    assert said
    assert {key: defaults.get(key) for key in said} == said


def test_every_service_of_production_is_limited_and_hardened() -> None:
    _, file = read("compose.prod.yaml")
    for name, service in file["services"].items():
        assert {"cpus", "mem_limit", "pids_limit", "read_only", "cap_drop", "security_opt", "logging"} <= set(
            service
        ), name


def test_every_service_of_the_swarm_is_limited_and_hardened() -> None:
    _, file = read("stack.yaml")
    for name, service in file["services"].items():
        assert {"read_only", "cap_drop", "logging"} <= set(service), name
        assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"]), name
