"""What docs/compose.md and the head of compose.yaml say of services and variables is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "compose" / "compose.yaml").read_text()
PAGE = (ROOT / "docs" / "compose.md").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
USED = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
NOT_VARIABLES = {"NAME"}  # as in NAME=value


def test_the_head_names_every_variable_and_no_other() -> None:
    head = TEXT.partition("\nname:")[0].partition("# Variables")[2]
    named = re.findall(r"^#   ([A-Z_]+)(?: \(.*?\))?(?:, ([A-Z_]+))?", head, re.MULTILINE)
    assert {name for names in named for name in names if name} == USED


def test_defaults_are_as_the_head_says() -> None:
    head = TEXT.partition("\nname:")[0]
    said = dict(re.findall(r"([A-Z_]+) \((\S+)\)", head))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}$]+)\}", TEXT))
    assert said == {name: default for name, default in defaults.items() if name in said}


def test_the_page_names_variables_that_there_are() -> None:
    named = set(re.findall(r"(?:`|\b)([A-Z]+_[A-Z_]+)(?==|`)", PAGE))
    assert named - NOT_VARIABLES <= USED
    assert {"BACKEND_URL", "GATEWAY_BIND", "LEGACY_DEVICES"} <= named


def test_the_page_names_every_service_with_its_networks() -> None:
    table = PAGE.partition("| service |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|[^|]*\| ([^|]*) \|", table, re.MULTILINE)
    found = {name: re.findall(r"`([a-z]+)`", networks) for name, networks in rows}
    assert found == {name: service["networks"] for name, service in FILE["services"].items()}
