"""boards.yaml: the list of boards as a file that people edit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from plantkeeper_hil.inventory.entries import Entry
from plantkeeper_hil.inventory.errors import BoardsFileError
from plantkeeper_hil.project import Project

VARIABLE = "PLANTKEEPER_BOARDS"
HEADER = "# The boards on this bench: `hil boards scan` writes it and keeps what you change (docs/hil.md).\n"
_FIELDS = {field.name for field in fields(Entry)}


def path_of(project: Project, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the list is: PLANTKEEPER_BOARDS, else boards.yaml at the project's root."""
    return Path(environment.get(VARIABLE) or project.root / "boards.yaml")


def load(path: Path) -> list[Entry]:
    """Read the list; a file that is not there is an empty one.

    Raises:
        BoardsFileError: it is no list of boards; names the entry and the field.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BoardsFileError(f"{path} cannot be read: {error}") from error
    if content is None:
        return []
    if not isinstance(content, list):
        raise BoardsFileError(f"{path}: expected a list of boards, each with an id; it begins with {content!r:.60}")
    entries = [_entry(item, f"{path}, entry {number}") for number, item in enumerate(content, start=1)]
    for what, values in (("id", [e.id for e in entries]), ("serial number", [e.serial for e in entries if e.serial])):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise BoardsFileError(f"{path}: {what} {', '.join(sorted(twice))} more than once; each board has its own")
    return entries


def save(path: Path, entries: Sequence[Entry]) -> None:
    """Write the list, whole or not at all."""
    text = HEADER + yaml.safe_dump([_plain(entry) for entry in entries], sort_keys=False, allow_unicode=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        raise BoardsFileError(f"{path} cannot be written: {error}") from error


def _plain(entry: Entry) -> dict[str, Any]:
    plain = asdict(entry) | {"fixtures": list(entry.fixtures)}
    return {name: value for name, value in plain.items() if value is not None}


def _entry(item: object, where: str) -> Entry:
    if not isinstance(item, dict):
        raise BoardsFileError(f"{where}: expected fields such as id: uno-1, got {item!r:.60}")
    unknown = set(item) - _FIELDS
    if unknown:
        raise BoardsFileError(
            f"{where}: unknown field {', '.join(map(str, unknown))}; known: {', '.join(sorted(_FIELDS))}"
        )
    missing = {"id", "platform", "product"} - set(item)
    if missing:
        raise BoardsFileError(f"{where}: {', '.join(sorted(missing))} missing")
    if not (item.get("serial") or item.get("port")):
        raise BoardsFileError(f"{where}: give serial (a board on USB) or port (one that is elsewhere)")
    values = {name: value for name, value in item.items() if value is not None}
    values["fixtures"] = tuple(map(str, values.get("fixtures", ())))
    for name in ("id", "platform", "product", "serial", "notes", "port", "power"):
        if name in values:
            values[name] = str(values[name])
    if not isinstance(values.get("baud", 1), int):
        raise BoardsFileError(f"{where}: baud {values['baud']!r}; expected a number such as 115200")
    return Entry(**values)
