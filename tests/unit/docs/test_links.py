"""Every relative link in the documents, and every document that a source file names, leads to something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ("proxy", "db", "sim", "hil", "tests", "firmware")
SUFFIXES = {".py", ".c", ".h", ".cpp", ".hpp", ".S", ".sql", ".ini", ".toml"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\bdocs/[\w./-]+\.md\b")


def documents() -> list[Path]:
    return [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *sorted(ROOT.glob("docs/**/*.md")),
    ]


def sources() -> Iterator[Path]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and not {"build", ".pio"} & set(path.parts):
                yield path


def anchors(text: str) -> set[str]:
    """The headings' anchors, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path, text: str) -> list[str]:
    """Relative targets that are not there, and anchors that the target does not have."""
    broken = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name
        there = path.exists()
        if there and anchor:
            there = anchor in anchors(path.read_text(encoding="utf-8") if name else text)
        if not there:
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document, document.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_found() -> None:
    text = (
        "# Some `code` – here\n[a](nowhere.md) [b](LICENSE) [c](#some-code--here) [d](#none) [e](https://example.org)"
    )
    assert broken_links(ROOT / "README.md", text) == ["nowhere.md", "#none"]


def test_every_document_named_in_a_source_file_is_there() -> None:
    missing = [
        f"{path.relative_to(ROOT)} names {name}"
        for path in sources()
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    assert missing == []
