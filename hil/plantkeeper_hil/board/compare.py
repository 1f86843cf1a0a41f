"""Where two recordings of one test part, such as simulator and hardware. Pure.

What differs by nature is put aside first: times, boot numbers, measured values, ids and builds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from plantkeeper_hil.board.cassette import Cassette

_BY_NATURE = (
    (re.compile(r"\b(key=)\d+-"), r"\1<boot>-"),
    (re.compile(r"\b(boot|id|temperature|humidity|light|cause|fw)=[^ ]+"), r"\1=<…>"),
    (re.compile(r"^PlantKeeper,.*"), "PlantKeeper,<…>"),
    (re.compile(r"^\d+-\d+,(\d+)$"), r"<key>,\1"),
    (re.compile(r"^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){2,}$"), "<numbers>"),
)


def plain(text: str) -> str:
    """A line without what differs by nature."""
    for pattern, instead in _BY_NATURE:
        text = pattern.sub(instead, text)
    return text


def story(cassette: Cassette) -> list[str]:
    """Calls and lines in their order: `> ` what was done, `< ` what was said; then the posts' status lines."""
    told: list[str] = []
    calls = list(cassette.calls)
    for number, line in enumerate(cassette.lines):
        while calls and calls[0].after_lines <= number:
            told += _said(calls.pop(0).what)
        told.append(f"< {plain(line.text)}")
    for call in calls:
        told += _said(call.what)
    return told + [f"POST → {post.answer.partition(chr(13))[0]}" for post in cassette.posts]


def parting(first: Cassette, second: Cassette) -> list[str]:
    """A unified diff of both stories; empty where they are alike."""
    return list(difflib.unified_diff(story(first), story(second), first.board, second.board, lineterm="", n=2))


def _said(what: str) -> Sequence[str]:
    return [f"> {line}" for line in what.splitlines()]
