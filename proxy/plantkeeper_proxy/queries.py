"""Reads queries.sql: SQL by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

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
    """All statements."""
    return split(files(__package__).joinpath("queries.sql").read_text("utf-8"))
