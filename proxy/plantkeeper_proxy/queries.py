"""Reads the package's .sql files: SQL by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

FILES = ("queries.sql", "device_queries.sql")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def split(text: str) -> dict[str, str]:
    """The statements of a file by the name in the comment before each; comments are taken out."""
    parts = _NAME.split(text)
    return {
        name: "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@cache
def queries() -> Mapping[str, str]:
    """All statements of all files; a name stands in one of them only."""
    found: dict[str, str] = {}
    for name in FILES:
        statements = split(files(__package__).joinpath(name).read_text("utf-8"))
        assert not found.keys() & statements.keys()
        found |= statements
    return found
